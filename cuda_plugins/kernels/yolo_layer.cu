// YoloLayer_TRT: decode heads to boxes, all levels of a batch in one launch (docs/contracts.md, Decode).
//
// Compiles with NVRTC and nvcc, without headers. Compile with --fmad=false: the NumPy twin (cuda_plugins/yolo_layer.py)
// does not contract multiplications and additions, so that both agree bit for bit.
//
// Grid (parts, batch), any number of parts; block: 32 to MAX_THREADS threads, a multiple of 32. The cells of an image,
// ordered by level, anchor, y, x, are divided evenly among the parts. A kept cell writes the row "number of kept cells
// before it"; a dropped cell zeroes the row "number of dropped cells before it", counted from the end. So every row is
// written once, and no part needs the result of another. A part counts the kept cells before its own by reading their
// objectness again, mostly from the L2 cache: this needs no zeroed counter, no atomics and no wait between blocks, and the
// order does not depend on the GPU.

#define MAX_LEVELS 4
#define MAX_ANCHORS 8
#define MAX_THREADS 512
#define WARP 32
#define LANES 8        // threads per cell for the best class
#define LOADS 8        // objectness loads in flight per thread
#define CLASS_LOADS 5  // class loads in flight per thread: 80 classes take 8 threads two iterations
#define ALL_LANES 0xffffffffu

struct Level {
    const void *head;  // [B, A * (5 + classes), height, width], after the sigmoid
    int height, width;
    int first;  // index of the level's first cell
    float stride_x, stride_y;
    float anchors[2 * MAX_ANCHORS];  // width and height in network pixels
};

struct YoloLayer {
    Level levels[MAX_LEVELS];
    int level_count, anchor_count, class_count;
    int cell_count;  // cells per image, and rows per output
    float threshold;
    int *counts;     // [B]
    float4 *boxes;   // [B, cells], x1, y1, x2, y2
    float *scores;   // [B, cells]
    int *classes;    // [B, cells]
};

struct Half {
    unsigned short bits;
};

static __device__ __forceinline__ float widen(float value) { return value; }

// Exact for every half. A subnormal is the difference of two normal numbers, since compilers may flush subnormal float32.
static __device__ __forceinline__ float widen(Half value) {
    unsigned int magnitude = value.bits & 0x7fffu, bits = magnitude << 13;
    float normal = __uint_as_float(bits + (magnitude >= 0x7c00u ? 0x70000000u : 0x38000000u));
    float subnormal = __uint_as_float(bits | 0x38800000u) - __uint_as_float(0x38800000u);
    float number = magnitude < 0x400u ? subnormal : normal;
    return __uint_as_float(__float_as_uint(number) | ((value.bits & 0x8000u) << 16));
}

struct Cell {
    int level, anchor, position;  // position = y * width + x
};

static __device__ __forceinline__ int plane_of(const Level &level) { return level.height * level.width; }

static __device__ __forceinline__ Cell locate(const YoloLayer &layer, int number) {
    Cell cell;
    cell.level = 0;
#pragma unroll
    for (int level = 1; level < MAX_LEVELS; ++level)
        if (level < layer.level_count && number >= layer.levels[level].first) cell.level = level;
    int plane = plane_of(layer.levels[cell.level]);
    int offset = number - layer.levels[cell.level].first;
    cell.anchor = offset / plane;
    cell.position = offset - cell.anchor * plane;
    return cell;
}

// Return the first plane (x of the boxes) of a level and anchor in this block's image; 4 + classes planes follow.
template <typename T>
static __device__ __forceinline__ const T *planes_of(const YoloLayer &layer, int level, int anchor) {
    size_t plane = plane_of(layer.levels[level]);
    size_t before = (size_t)blockIdx.y * layer.anchor_count + anchor;
    return (const T *)layer.levels[level].head + before * (5 + layer.class_count) * plane;
}

template <typename T>
static __device__ __forceinline__ bool is_kept(const YoloLayer &layer, int number) {
    Cell cell = locate(layer, number);
    size_t objectness = 4 * (size_t)plane_of(layer.levels[cell.level]);
    return widen(planes_of<T>(layer, cell.level, cell.anchor)[objectness + cell.position]) >= layer.threshold;
}

// Return this thread's share of the number of kept cells before `end`. It goes plane by plane, which needs no division.
// Past the end of a plane it reads the last cell again; a branch would make each load wait for the previous one.
template <typename T>
static __device__ int count_kept(const YoloLayer &layer, int end) {
    int kept = 0;
    for (int level = 0; level < layer.level_count; ++level) {
        int plane = plane_of(layer.levels[level]);
        for (int anchor = 0; anchor < layer.anchor_count; ++anchor) {
            int cells = min(plane, end - layer.levels[level].first - anchor * plane);
            const T *objectness = planes_of<T>(layer, level, anchor) + 4 * (size_t)plane;
            for (int first = threadIdx.x; first < cells; first += LOADS * blockDim.x) {
#pragma unroll
                for (int load = 0; load < LOADS; ++load) {
                    int i = first + load * blockDim.x;
                    float value = widen(objectness[min(i, cells - 1)]);
                    kept += (i < cells) & (value >= layer.threshold);
                }
            }
        }
    }
    return kept;
}

// Return the sum over the block to every thread.
static __device__ int block_sum(int value, int *warps) {
    for (int distance = WARP / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    if (threadIdx.x % WARP == 0) warps[threadIdx.x / WARP] = value;
    __syncthreads();
    int sum = 0;
    for (int warp = 0; warp < blockDim.x / WARP; ++warp) sum += warps[warp];
    __syncthreads();
    return sum;
}

// Return the number of earlier threads with a true flag; `total` is that of the block. Synchronise between two calls.
static __device__ int rank_among(bool flag, int *warps, int &total) {
    int lane = threadIdx.x % WARP;
    unsigned int flags = __ballot_sync(ALL_LANES, flag);
    if (lane == 0) warps[threadIdx.x / WARP] = __popc(flags);
    __syncthreads();
    int before = 0, sum = 0;
    for (int warp = 0; warp < blockDim.x / WARP; ++warp) {
        if (warp < threadIdx.x / WARP) before += warps[warp];
        sum += warps[warp];
    }
    total = sum;
    return before + __popc(flags & ((1u << lane) - 1u));
}

// Return the best class of a cell, the first of equal ones, to LANES neighbouring threads that call it together.
template <typename T>
static __device__ __forceinline__ int best_class(const T *classes, size_t plane, int count, float &best) {
    int label = threadIdx.x % LANES;
    best = __uint_as_float(0xff800000u);
    for (int first = label; first < count; first += CLASS_LOADS * LANES) {
#pragma unroll
        for (int load = 0; load < CLASS_LOADS; ++load) {
            int k = min(first + load * LANES, count - 1);  // read the last one again instead of branching
            float score = widen(classes[k * plane]);
            if (score > best) {
                best = score;
                label = k;
            }
        }
    }
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        float other = __shfl_xor_sync(ALL_LANES, best, distance);
        int other_label = __shfl_xor_sync(ALL_LANES, label, distance);
        if (other > best || (other == best && other_label < label)) {
            best = other;
            label = other_label;
        }
    }
    return label;
}

template <typename T>
static __device__ __forceinline__ float4 box_of(const Level &level, const Cell &cell, const T *values) {
    size_t plane = plane_of(level);
    int y = cell.position / level.width, x = cell.position - y * level.width;
    float centre_x = (widen(values[0]) * 2.0f - 0.5f + (float)x) * level.stride_x;
    float centre_y = (widen(values[plane]) * 2.0f - 0.5f + (float)y) * level.stride_y;
    float width = widen(values[2 * plane]) * 2.0f, height = widen(values[3 * plane]) * 2.0f;
    float half_width = width * width * level.anchors[2 * cell.anchor] * 0.5f;
    float half_height = height * height * level.anchors[2 * cell.anchor + 1] * 0.5f;
    return make_float4(centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height);
}

// Write the rows from `row` on for `count` kept cells. All threads of the block call it together.
template <typename T>
static __device__ __forceinline__ void write_kept(const YoloLayer &layer, const int *cells, int count, size_t row) {
    int groups = blockDim.x / LANES, group = threadIdx.x / LANES;
    for (int first = 0; first < count; first += groups) {
        int i = min(first + group, count - 1);  // a group without a cell repeats the last one
        Cell cell = locate(layer, cells[i]);
        const Level &level = layer.levels[cell.level];
        size_t plane = plane_of(level);
        const T *values = planes_of<T>(layer, cell.level, cell.anchor) + cell.position;
        float best;
        int label = best_class(values + 5 * plane, plane, layer.class_count, best);
        if (threadIdx.x % LANES != 0) continue;
        layer.boxes[row + i] = box_of(level, cell, values);
        layer.scores[row + i] = widen(values[4 * plane]) * best;
        layer.classes[row + i] = label;
    }
}

static __device__ __forceinline__ void write_zero(const YoloLayer &layer, size_t row) {
    layer.boxes[row] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    layer.scores[row] = 0.0f;
    layer.classes[row] = 0;
}

template <typename T>
static __device__ __forceinline__ void decode(const YoloLayer &layer) {
    __shared__ int warps[MAX_THREADS / WARP];
    __shared__ int kept_cells[MAX_THREADS];
    int cells = layer.cell_count;
    int share = (cells + (int)gridDim.x - 1) / (int)gridDim.x;
    int begin = min((int)blockIdx.x * share, cells), end = min(begin + share, cells);
    size_t rows = (size_t)blockIdx.y * cells;
    int kept = block_sum(count_kept<T>(layer, begin), warps);

    for (int chunk = begin; chunk < end; chunk += blockDim.x) {
        int number = chunk + threadIdx.x;
        bool keeps = number < end && is_kept<T>(layer, number);
        int found;
        int rank = rank_among(keeps, warps, found);
        if (keeps) kept_cells[rank] = number;
        if (!keeps && number < end) write_zero(layer, rows + cells - 1 - (number - kept - rank));
        __syncthreads();
        write_kept<T>(layer, kept_cells, found, rows + kept);
        kept += found;  // rank_among synchronises before kept_cells is written again
    }
    if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0) layer.counts[blockIdx.y] = kept;
}

extern "C" __global__ void __launch_bounds__(MAX_THREADS) yolo_layer_float(const YoloLayer layer) {
    decode<float>(layer);
}

extern "C" __global__ void __launch_bounds__(MAX_THREADS) yolo_layer_half(const YoloLayer layer) {
    decode<Half>(layer);
}

// The entry for engines that run without Python: constants instead of a structure, arguments in TensorRT's order.
// AOT_LEVELS 3, AOT_HALF 0, AOT_CLASSES 80, AOT_MAX_STRIDE 32, AOT_THRESHOLD 0.25f, AOT_ANCHORS 10.0f, 13.0f, ...
#ifdef AOT_LEVELS

#if AOT_HALF
typedef Half AotValue;
#else
typedef float AotValue;
#endif

#define HEADS_1 const AotValue *head_0
#define HEADS_2 HEADS_1, const AotValue *head_1
#define HEADS_3 HEADS_2, const AotValue *head_2
#define HEADS_4 HEADS_3, const AotValue *head_3
#define SIZES_1 int height_0, int width_0
#define SIZES_2 SIZES_1, int height_1, int width_1
#define SIZES_3 SIZES_2, int height_2, int width_2
#define SIZES_4 SIZES_3, int height_3, int width_3
#define LEVELS_1 {head_0, height_0, width_0}
#define LEVELS_2 LEVELS_1, {head_1, height_1, width_1}
#define LEVELS_3 LEVELS_2, {head_2, height_2, width_2}
#define LEVELS_4 LEVELS_3, {head_3, height_3, width_3}
#define JOIN(name, count) name##count
#define EACH(name, count) JOIN(name, count)

static __device__ void finish_levels(YoloLayer &layer, int max_stride, const float *anchors) {
    const Level &last = layer.levels[layer.level_count - 1];
    float width = (float)last.width * (float)max_stride, height = (float)last.height * (float)max_stride;
    for (int i = 0; i < layer.level_count; ++i) {
        Level &level = layer.levels[i];
        level.first = layer.cell_count;
        level.stride_x = width / (float)level.width;
        level.stride_y = height / (float)level.height;
        for (int k = 0; k < 2 * layer.anchor_count; ++k) level.anchors[k] = anchors[2 * layer.anchor_count * i + k];
        layer.cell_count += layer.anchor_count * plane_of(level);
    }
}

extern "C" __global__ void __launch_bounds__(MAX_THREADS)
    yolo_layer_aot(EACH(HEADS_, AOT_LEVELS), EACH(SIZES_, AOT_LEVELS), int *counts, float4 *boxes, float *scores,
                   int *classes) {
    const float anchors[] = {AOT_ANCHORS};
    const int anchor_count = sizeof anchors / sizeof anchors[0] / 2 / AOT_LEVELS;
    static_assert(sizeof anchors == anchor_count * 2 * AOT_LEVELS * sizeof(float), "unequal anchors per level");
    static_assert(1 <= anchor_count && anchor_count <= MAX_ANCHORS, "1 to MAX_ANCHORS anchors per level");
    __shared__ YoloLayer layer;
    if (threadIdx.x == 0) {
        layer = {{EACH(LEVELS_, AOT_LEVELS)}, AOT_LEVELS, anchor_count, AOT_CLASSES, 0,
                 AOT_THRESHOLD, counts, boxes, scores, classes};
        finish_levels(layer, AOT_MAX_STRIDE, anchors);
    }
    __syncthreads();
    decode<AotValue>(layer);
}

#endif
