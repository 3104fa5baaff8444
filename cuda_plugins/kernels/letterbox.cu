// Letterbox: convert images of any sizes to network input, a batch per launch (docs/contracts.md, Input: letterbox).
//
// Resizes uint8 BGR [height, width, 3] bilinearly, adds the border, reorders to planes and scales, in one pass that writes
// every value of the input once.
//
// Compiles with NVRTC and nvcc, without headers. Compile with --fmad=false, so that coordinates round as in the NumPy twin
// (cuda_plugins/letterbox.py) and both agree bit for bit. Weights have 11 bits; sums are cut as in OpenCV's resize.
//
// Grid (columns / TILE_WIDTH, rows / TILE_HEIGHT, images), block (32, 8). A thread computes every 32nd pixel of every
// eighth row of the tile: neighbouring threads read neighbouring bytes and store neighbouring values, so that the accesses
// of a warp touch few cache lines. (Four neighbouring pixels per thread would be one store, but read from four times as
// many lines.) The source pixels of a tile are computed once, per column and per row.

#define MAX_IMAGES 64
#define TILE_WIDTH 128
#define TILE_HEIGHT 16
#define LANES 32
#define ROWS 8
#define THREADS (LANES * ROWS)
#define PIXELS (TILE_WIDTH / LANES)  // of a thread, per row
#define ONE 2048  // the weight 1.0

struct Image {
    const unsigned char *pixels;
    long long pitch;  // bytes from row to row
    int height, width;
    int top, left, bottom, right;  // position in the network input; bottom and right are exclusive
    double step_y, step_x;         // image pixels per network pixel
};

struct Letterbox {
    Image images[MAX_IMAGES];
    void *inputs;  // [images, 3, height, width]
    int height, width;
    int border;  // level of the border, 0..255
    int swap;    // reverse the channels: BGR to RGB
    double scale, offset;  // a value is level * scale + offset
};

// The source of a network pixel along one axis: two source pixels, as indices or offsets, and their weights.
// In the border: pixel 0 with weight 0, which can be read and is not used.
struct Source {
    int first, second;
    int weight_first, weight_second;
    bool inside;
};

struct Half {
    unsigned short bits;
};

static __device__ __forceinline__ void convert(double value, float &result) { result = (float)value; }

// Round to the nearest half, ties to even.
static __device__ __forceinline__ void convert(double value, Half &result) {
    unsigned int signed_bits = __float_as_uint((float)value);
    unsigned int sign = signed_bits >> 16 & 0x8000u, bits = signed_bits & 0x7fffffffu;
    float number = __uint_as_float(bits);
    unsigned int normal = (bits - 0x38000000u + 0xfffu + (bits >> 13 & 1u)) >> 13;
    unsigned int subnormal = __float_as_uint(number + 0.5f) - 0x3f000000u;  // the last bit of the sum is 2^-24
    bool is_subnormal = bits < 0x38800000u;
    result.bits = (unsigned short)(sign | (bits >= 0x477ff000u ? 0x7c00u : is_subnormal ? subnormal : normal));
}

// Return the source of network pixel `position`; the `count` pixels of the image cover `start` to `stop`, exclusive.
static __device__ Source locate(int position, int start, int stop, int count, double step) {
    if (position < start || position >= stop) return {0, 0, 0, 0, false};
    float exact = (float)(((double)(position - start) + 0.5) * step - 0.5);
    int first = __float2int_rd(exact);
    float fraction = exact - (float)first;
    int near = min(max(first, 0), count - 1), far = min(max(first + 1, 0), count - 1);
    int weight = __float2int_rn(fraction * (float)ONE);
    return {near, far, __float2int_rn((1.0f - fraction) * (float)ONE), weight, true};
}

static __device__ __forceinline__ int mix(const unsigned char *row, const Source &column) {
    return __ldg(row + column.first) * column.weight_first + __ldg(row + column.second) * column.weight_second;
}

// Compute the pixels of one thread in one row, each from two rows of the image, or with BOTH false from the first only.
// No read is conditional, so that all reads are in flight at once.
template <bool BOTH>
static __device__ __forceinline__ void fill(int (&values)[3][PIXELS], const Image &image, const Source &row,
                                            const Source (&columns)[PIXELS]) {
    const unsigned char *upper = image.pixels + row.first * image.pitch;
    const unsigned char *lower = image.pixels + row.second * image.pitch;
#pragma unroll
    for (int i = 0; i < PIXELS; ++i)
#pragma unroll
        for (int channel = 0; channel < 3; ++channel) {
            int sum = row.weight_first * (mix(upper + channel, columns[i]) >> 4) >> 16;
            if (BOTH) sum += row.weight_second * (mix(lower + channel, columns[i]) >> 4) >> 16;
            values[channel][i] = columns[i].inside ? (sum + 2) >> 2 : values[channel][i];
        }
}

template <typename T>
static __device__ __forceinline__ void letterbox(const Letterbox &layout) {
    __shared__ T table[256];  // the 256 scaled values
    __shared__ Source columns[TILE_WIDTH], rows[TILE_HEIGHT];
    const Image &image = layout.images[blockIdx.z];
    int tile_x = blockIdx.x * TILE_WIDTH, tile_y = blockIdx.y * TILE_HEIGHT;
    int thread = threadIdx.y * LANES + threadIdx.x;

    convert((double)thread * layout.scale + layout.offset, table[thread]);
    if (thread < TILE_WIDTH) {
        Source column = locate(tile_x + thread, image.left, image.right, image.width, image.step_x);
        column.first *= 3;
        column.second *= 3;
        columns[thread] = column;
    } else if (thread < TILE_WIDTH + TILE_HEIGHT) {
        int row = thread - TILE_WIDTH;
        rows[row] = locate(tile_y + row, image.top, image.bottom, image.height, image.step_y);
    }
    __syncthreads();

    Source sources[PIXELS];
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) sources[i] = columns[threadIdx.x + i * LANES];
    size_t plane = (size_t)layout.height * layout.width;
    T *input = (T *)layout.inputs + blockIdx.z * 3 * plane;

#pragma unroll
    for (int step = 0; step < TILE_HEIGHT; step += ROWS) {
        int y = tile_y + step + threadIdx.y;
        if (y >= layout.height) return;
        Source row = rows[step + threadIdx.y];
        int values[3][PIXELS];
#pragma unroll
        for (int i = 0; i < 3 * PIXELS; ++i) values[i / PIXELS][i % PIXELS] = layout.border;
        // The branch is uniform in a warp. At a third of 1080p no row needs a second one: half of the reads are saved.
        if (row.inside && row.weight_second != 0) fill<true>(values, image, row, sources);
        if (row.inside && row.weight_second == 0) fill<false>(values, image, row, sources);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            int x = tile_x + threadIdx.x + i * LANES;
            if (x >= layout.width) break;
            T *pixel = input + (size_t)y * layout.width + x;
#pragma unroll
            for (int channel = 0; channel < 3; ++channel)
                pixel[(layout.swap ? 2 - channel : channel) * plane] = table[values[channel][i]];
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) letterbox_float(const Letterbox layout) {
    letterbox<float>(layout);
}

extern "C" __global__ void __launch_bounds__(THREADS) letterbox_half(const Letterbox layout) {
    letterbox<Half>(layout);
}
