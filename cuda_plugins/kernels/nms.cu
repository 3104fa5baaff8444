// Non-maximum suppression of decoded rows, one block per image (docs/contracts.md, NMS).
//
// Compiles with NVRTC and nvcc, without headers. Compile with --fmad=false: the NumPy twin (cuda_plugins/nms.py) does not
// contract multiplications and additions, so that both agree bit for bit.
//
// A candidate is an integer key: a better score has a smaller key, and equal scores are ordered by row. All keys differ, so
// that their order, and hence the result, does not depend on timing. Candidates are processed in portions that fit into
// shared memory, best first, until enough boxes are kept. A portion holds all keys of a range; its end is found by
// counting keys by their leading digits. A portion is sorted and processed in groups of 64: each group is compared with
// the boxes kept so far and with itself, pairs in parallel, and one thread then walks through the bits of the group. The
// kernel writes only the result and needs no initialised memory.
//
// Grid (images), block: a multiple of 64 threads, at most MAX_THREADS.

#define MAX_IMAGES 64
#define MAX_CLASSES 2048
#define MAX_THREADS 1024
#define WARP 32
#define ALL_LANES 0xffffffffu
#define PORTION 4096  // keys in shared memory
#define GROUP 64
#define AHEAD 4  // scores that a thread loads before it uses the first
#define ROW_BITS 29
#define KEY_BITS 60  // 31 bits of a positive score, 29 bits of the row
#define DIGIT_BITS 10
#define BINS (1 << DIGIT_BITS)
#define NO_KEY (~0ull)

typedef unsigned long long Key;

struct Place {
    float ratio, left, top;  // network pixel = image pixel * ratio + left or top
    float width, height;     // image size
};

struct Detection {
    float x1, y1, x2, y2;  // pixels of the image, clipped to it
    float score;
    int label;
};

struct Nms {
    Place places[MAX_IMAGES];
    unsigned int allowed[MAX_CLASSES / 32];  // one bit per class
    const float4 *boxes;                     // [B, rows], x1, y1, x2, y2 in network pixels
    const float *scores;                     // [B, rows]; a row is a candidate if its score is above zero
    const int *classes;                      // [B, rows]
    int *counts;                             // [B]
    Detection *detections;                   // [B, max_det]; zero after the count
    int rows;
    int is_filtered;  // keep allowed classes only
    float conf, iou;
    int max_det, max_candidates;
};

// Shared memory of the block. Bins and keys are never used at the same time.
struct Shared {
    union {
        Key keys[PORTION];
        int bins[2][BINS];
    };
    float4 boxes[GROUP];
    int labels[GROUP];
    unsigned int overlaps[GROUP][GROUP / WARP];  // with later boxes of the group
    unsigned int suppressed[GROUP / WARP];
    Key chosen;
    int found, bin, before;
};

static __device__ __forceinline__ Key key_of(const Nms &nms, size_t first, int row, float score) {
    if (!(score > 0.0f && score >= nms.conf)) return NO_KEY;
    if (nms.is_filtered) {
        int label = nms.classes[first + row];
        if ((unsigned int)label >= MAX_CLASSES || !(nms.allowed[label / 32] >> (label % 32) & 1)) return NO_KEY;
    }
    return (Key)(0x7fffffffu - __float_as_uint(score)) << ROW_BITS | (unsigned int)row;
}

// Call `take` with the key of every row, or NO_KEY. All threads of a warp call it together.
template <typename Take>
static __device__ __forceinline__ void each_key(const Nms &nms, size_t first, Take take) {
    for (int start = 0; start < nms.rows; start += AHEAD * blockDim.x) {
        float scores[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            int row = start + i * blockDim.x + threadIdx.x;
            scores[i] = row < nms.rows ? __ldg(nms.scores + first + row) : 0.0f;
        }
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) take(key_of(nms, first, start + i * blockDim.x + threadIdx.x, scores[i]));
    }
}

// Return the number of keys in [begin, end); store as many as fit in `shared.keys`, unordered.
static __device__ int collect(const Nms &nms, size_t first, Key begin, Key end, Shared &shared) {
    int lane = threadIdx.x % WARP;
    if (threadIdx.x == 0) shared.found = 0;
    __syncthreads();
    each_key(nms, first, [&](Key key) {
        bool wanted = key >= begin && key < end;
        unsigned int lanes = __ballot_sync(ALL_LANES, wanted);
        if (lanes == 0) return;
        int place = 0;
        if (lane == 0) place = atomicAdd(&shared.found, __popc(lanes));
        place = __shfl_sync(ALL_LANES, place, 0) + __popc(lanes & ((1u << lane) - 1u));
        if (wanted && place < PORTION) shared.keys[place] = key;
    });
    __syncthreads();
    return shared.found;
}

// Return the end of a range from `begin` with 1 to `limit` keys. There must be more than `limit` keys from `begin` on.
static __device__ Key find_end(const Nms &nms, size_t first, Key begin, int limit, Shared &shared) {
    Key prefix = 0;
    for (int shift = KEY_BITS - DIGIT_BITS;; shift -= DIGIT_BITS) {
        int *bins = shared.bins[0], *next = shared.bins[1];
        __syncthreads();
        for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) bins[bin] = 0;
        if (threadIdx.x == 0) {
            shared.bin = 0;
            shared.before = 0;
        }
        __syncthreads();
        each_key(nms, first, [&](Key key) {
            if (key != NO_KEY && key >= begin && key >> (shift + DIGIT_BITS) == prefix)
                atomicAdd(&bins[key >> shift & (BINS - 1)], 1);
        });
        __syncthreads();
        for (int distance = 1; distance < BINS; distance *= 2) {  // inclusive prefix sums
            for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x)
                next[bin] = bins[bin] + (bin >= distance ? bins[bin - distance] : 0);
            __syncthreads();
            int *sums = next;
            next = bins;
            bins = sums;
        }
        for (int bin = threadIdx.x; bin < BINS - 1; bin += blockDim.x)
            if (bins[bin] <= limit && bins[bin + 1] > limit) {
                shared.bin = bin + 1;
                shared.before = bins[bin];
            }
        __syncthreads();
        prefix = prefix << DIGIT_BITS | (unsigned int)shared.bin;  // the first bin that does not fit
        if (shared.before > 0) return prefix << shift;
    }
}

// Sort keys[0..count) with a bitonic network. Short distances need only warp synchronisation.
static __device__ void sort(Key *keys, int count) {
    int size = 2;
    while (size < count) size *= 2;
    for (int i = count + threadIdx.x; i < size; i += blockDim.x) keys[i] = NO_KEY;
    int former = size;
    for (int run = 2; run <= size; run *= 2)
        for (int distance = run / 2; distance > 0; distance /= 2) {
            if (distance > WARP || former > WARP)
                __syncthreads();
            else
                __syncwarp();
            former = distance;
            for (int pair = threadIdx.x; pair < size / 2; pair += blockDim.x) {
                int low = 2 * pair - (pair & (distance - 1)), high = low + distance;
                Key one = keys[low], other = keys[high];
                if ((one > other) == ((low & run) == 0)) {
                    keys[low] = other;
                    keys[high] = one;
                }
            }
        }
    __syncthreads();
}

static __device__ __forceinline__ bool overlap(const float4 &one, const float4 &other, float iou) {
    float width = fmaxf(fminf(one.z, other.z) - fmaxf(one.x, other.x), 0.0f);
    float height = fmaxf(fminf(one.w, other.w) - fmaxf(one.y, other.y), 0.0f);
    float shared = width * height;
    float total = (one.z - one.x) * (one.w - one.y) + (other.z - other.x) * (other.w - other.y) - shared;
    return shared > iou * total;
}

// Return the boxes of a group to keep, as bits, at most `room`; `suppressed` marks those that earlier boxes suppress.
static __device__ Key choose(const Shared &shared, int size, int room) {
    Key alive = ~((Key)shared.suppressed[1] << WARP | shared.suppressed[0]);
    if (size < GROUP) alive &= ((Key)1 << size) - 1;
    Key chosen = 0;
    for (; alive != 0 && room > 0; --room) {
        int best = __ffsll(alive) - 1;
        Key later = (Key)shared.overlaps[best][1] << WARP | shared.overlaps[best][0];
        chosen |= (Key)1 << best;
        alive &= ~later & ~((Key)1 << best);
    }
    return chosen;
}

// Process the next `size` candidates; return the number of boxes kept so far. Boxes stay in network pixels.
static __device__ int add_group(const Nms &nms, size_t first, Detection *detections, int kept, const Key *keys, int size,
                                Shared &shared) {
    int thread = threadIdx.x, lane = thread % WARP, half = thread / WARP % 2;
    int slice = thread / GROUP, slices = blockDim.x / GROUP;
    if (thread < GROUP) {
        size_t row = first + (thread < size ? keys[thread] & ((1u << ROW_BITS) - 1u) : 0);
        shared.boxes[thread] = nms.boxes[row];
        shared.labels[thread] = nms.classes[row];
        shared.suppressed[half] = 0;
    }
    __syncthreads();
    float4 box = shared.boxes[thread % GROUP];
    int label = shared.labels[thread % GROUP];

    bool is_suppressed = false;
#pragma unroll 4
    for (int i = slice; i < kept; i += slices) {
        Detection better = detections[i];
        if (better.label == label)
            is_suppressed |= overlap(make_float4(better.x1, better.y1, better.x2, better.y2), box, nms.iou);
    }
    unsigned int lanes = __ballot_sync(ALL_LANES, is_suppressed);
    if (lane == 0 && lanes != 0) atomicOr(&shared.suppressed[half], lanes);
    for (int i = slice; i < GROUP; i += slices) {
        bool is_later = i < thread % GROUP && shared.labels[i] == label;
        lanes = __ballot_sync(ALL_LANES, is_later && overlap(shared.boxes[i], box, nms.iou));
        if (lane == 0) shared.overlaps[i][half] = lanes;
    }
    __syncthreads();
    if (thread == 0) shared.chosen = choose(shared, size, nms.max_det - kept);
    __syncthreads();
    Key chosen = shared.chosen;
    if (thread < GROUP && (chosen >> thread & 1)) {
        float score = __uint_as_float(0x7fffffffu - (unsigned int)(keys[thread] >> ROW_BITS));
        int place = kept + __popcll(chosen & (((Key)1 << thread) - 1));
        detections[place] = {box.x, box.y, box.z, box.w, score, label};
    }
    __syncthreads();
    return kept + __popcll(chosen);
}

static __device__ __forceinline__ float clip(float value, float limit) {
    return value < 0.0f ? 0.0f : value > limit ? limit : value;
}

extern "C" __global__ void __launch_bounds__(MAX_THREADS) nms(const Nms nms) {
    __shared__ Shared shared;
    size_t first = (size_t)blockIdx.x * nms.rows;
    Detection *detections = nms.detections + (size_t)blockIdx.x * nms.max_det;
    int kept = 0, left = nms.max_candidates;

    Key begin = 0, end;
    do {
        end = (Key)1 << KEY_BITS;
        int limit = min(left, PORTION);
        int count = collect(nms, first, begin, end, shared);
        if (count > limit) {
            end = find_end(nms, first, begin, limit, shared);
            count = collect(nms, first, begin, end, shared);
        }
        sort(shared.keys, count);
        for (int start = 0; start < count && kept < nms.max_det; start += GROUP)
            kept = add_group(nms, first, detections, kept, shared.keys + start, min(count - start, GROUP), shared);
        begin = end;
        left -= count;
    } while (end < (Key)1 << KEY_BITS && left > 0 && kept < nms.max_det);

    Place place = nms.places[blockIdx.x];
    for (int i = threadIdx.x; i < nms.max_det; i += blockDim.x) {
        Detection found = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0};
        if (i < kept) {
            found = detections[i];
            found.x1 = clip((found.x1 - place.left) / place.ratio, place.width);
            found.y1 = clip((found.y1 - place.top) / place.ratio, place.height);
            found.x2 = clip((found.x2 - place.left) / place.ratio, place.width);
            found.y2 = clip((found.y2 - place.top) / place.ratio, place.height);
        }
        detections[i] = found;
    }
    if (threadIdx.x == 0) nms.counts[blockIdx.x] = kept;
}
