// Runs CUDA kernels on a CPU: the language extensions and built-in functions that our sources use.
//
// The threads of a block are fibres on one thread of the machine, which take turns where they wait: at __syncthreads and
// in warp functions. Blocks run one after another. A wait that can never end is reported, not waited for, and
// so is a warp function whose mask names a lane that has ended. A warp runs as far ahead of the others as it can, the
// first before the second, or the last before the one before it. Subnormal float32 count as zero, as CuPy compiles.
#pragma once

#include <setjmp.h>
#include <ucontext.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)

struct uint3 {
    unsigned int x, y, z;
};
typedef uint3 dim3;
struct alignas(16) float4 {
    float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace shim {

const int MAX_THREADS = 1024, WARP = 32;
const size_t STACK = 64 * 1024;

struct Barrier {
    int arrived = 0;
    unsigned int generation = 0;
};

struct Fibre {
    uint3 thread;
    int number;
    bool started, ended;
    jmp_buf context;
    ucontext_t entry;
};

struct Machine {
    std::vector<Fibre> fibres{(size_t)MAX_THREADS};
    std::vector<char> stacks = std::vector<char>(MAX_THREADS * STACK);
    Barrier block, warps[MAX_THREADS / WARP];
    unsigned long long slots[MAX_THREADS];
    int current, running, idle;
    unsigned long long steps;  // barriers that a thread has come to, and threads that have ended
    bool backwards;
    jmp_buf scheduler;
    std::function<void()> body;
    dim3 grid, threads;
    uint3 block_index;
};

inline Machine machine;

inline void fail(const char *what) {
    std::fprintf(stderr, "shim: %s in block (%u, %u, %u)\n", what, machine.block_index.x, machine.block_index.y,
                 machine.block_index.z);
    std::abort();
}

inline Fibre &here() { return machine.fibres[machine.current]; }

// Let the others run. Whoever makes progress sets `idle` back to zero.
inline void yield() {
    if (++machine.idle > 4 * MAX_THREADS) fail("threads wait for each other for ever");
    if (_setjmp(here().context) == 0) _longjmp(machine.scheduler, 1);
}

inline void wait(Barrier &barrier, int expected) {
    unsigned int generation = barrier.generation;
    ++machine.steps;
    if (++barrier.arrived == expected) {
        barrier.arrived = 0;
        ++barrier.generation;
        machine.idle = 0;
        return;
    }
    while (barrier.generation == generation) yield();
}

inline void run_fibre() {
    machine.body();
    here().ended = true;
    --machine.running;
    ++machine.steps;
    machine.idle = 0;
    _longjmp(machine.scheduler, 1);
}

inline void resume(int number) {
    Fibre &fibre = machine.fibres[number];
    machine.current = number;
    if (_setjmp(machine.scheduler) != 0) return;
    if (fibre.started) _longjmp(fibre.context, 1);
    fibre.started = true;
    getcontext(&fibre.entry);
    fibre.entry.uc_stack.ss_sp = machine.stacks.data() + (size_t)number * STACK;
    fibre.entry.uc_stack.ss_size = STACK;
    fibre.entry.uc_link = nullptr;
    makecontext(&fibre.entry, run_fibre, 0);
    setcontext(&fibre.entry);
}

// One warp for as long as it needs no other: where a __syncthreads is missing, it is far ahead of the rest.
inline void run_warp(int warp, int count) {
    unsigned long long before;
    do {
        before = machine.steps;
        for (int number = warp * WARP; number < count && number < (warp + 1) * WARP; ++number)
            if (!machine.fibres[number].ended) resume(number);
    } while (machine.steps != before);
}

inline void run_block() {
    int count = machine.threads.x * machine.threads.y * machine.threads.z;
    machine.block = Barrier();
    for (Barrier &warp : machine.warps) warp = Barrier();
    for (int number = 0; number < count; ++number) {
        unsigned int x = number % machine.threads.x, rest = number / machine.threads.x;
        Fibre &fibre = machine.fibres[number];
        fibre.thread = {x, rest % machine.threads.y, rest / machine.threads.y};
        fibre.number = number;
        fibre.started = fibre.ended = false;
    }
    machine.running = count;
    machine.idle = 0;
    int warps = (count + WARP - 1) / WARP;
    while (machine.running > 0)
        for (int turn = 0; turn < warps; ++turn) run_warp(machine.backwards ? warps - 1 - turn : turn, count);
}

// While it lives, subnormal numbers are flushed to zero, as operands and as results.
class Flushing {
#ifdef __SSE__
    unsigned int before = _mm_getcsr();

  public:
    Flushing() { _mm_setcsr(before | 0x8040u); }  // FTZ and DAZ
    ~Flushing() { _mm_setcsr(before); }
#endif
};

inline void launch(dim3 grid, dim3 threads, std::function<void()> body) {
    Flushing flushing;
    if (threads.x * threads.y * threads.z > (unsigned int)MAX_THREADS) fail("more threads than a block may have");
    machine.grid = grid;
    machine.threads = threads;
    machine.body = std::move(body);
    for (unsigned int z = 0; z < grid.z; ++z)
        for (unsigned int y = 0; y < grid.y; ++y)
            for (unsigned int x = 0; x < grid.x; ++x) {
                machine.block_index = {x, y, z};
                run_block();
            }
}

template <typename... Types, size_t... Numbers>
void call(void (*kernel)(Types...), void *const *arguments, std::index_sequence<Numbers...>) {
    kernel(*(std::remove_const_t<Types> *)arguments[Numbers]...);
}

// The arguments as cudaLaunchKernel takes them: the address of each.
template <typename... Types>
void call(void (*kernel)(Types...), void *const *arguments) {
    call(kernel, arguments, std::index_sequence_for<Types...>());
}

template <typename... Types>
size_t size(void (*)(Types...)) {
    return (sizeof(Types) + ...);
}

// Every lane named by the mask gives a value; `read` sees those of the whole warp.
template <typename Read>
auto exchange(unsigned int mask, unsigned long long value, Read read) {
    int number = here().number;
    if (!(mask >> (number % WARP) & 1)) fail("a lane calls a warp function whose mask does not name it");
    Barrier &warp = machine.warps[number / WARP];
    int expected = __builtin_popcount(mask);
    machine.slots[number] = value;
    wait(warp, expected);
    auto seen = read(machine.slots + number / WARP * WARP);
    wait(warp, expected);
    return seen;
}

}  // namespace shim

extern "C" void shim_backwards(int yes) { shim::machine.backwards = yes != 0; }

#define threadIdx (shim::here().thread)
#define blockIdx (shim::machine.block_index)
#define blockDim (shim::machine.threads)
#define gridDim (shim::machine.grid)

// As on the device, a thread that has ended counts as arrived nowhere: our kernels end together.
inline void __syncthreads() { shim::wait(shim::machine.block, blockDim.x * blockDim.y * blockDim.z); }

inline unsigned int __ballot_sync(unsigned int mask, int predicate) {
    return shim::exchange(mask, predicate != 0, [mask](const unsigned long long *slots) {
        unsigned int flags = 0;
        for (int lane = 0; lane < shim::WARP; ++lane)
            if (mask >> lane & 1) flags |= (unsigned int)slots[lane] << lane;
        return flags;
    });
}

template <typename T>
T __shfl_sync(unsigned int mask, T value, int source) {
    unsigned long long bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return shim::exchange(mask, bits, [source](const unsigned long long *slots) {
        T result;
        std::memcpy(&result, slots + source % shim::WARP, sizeof result);
        return result;
    });
}

template <typename T>
T __shfl_xor_sync(unsigned int mask, T value, int distance) {
    return __shfl_sync(mask, value, (shim::here().number % shim::WARP) ^ distance);
}

// The lanes named by the mask wait for each other.
inline void __syncwarp(unsigned int mask = 0xffffffffu) {
    shim::exchange(mask, 0, [](const unsigned long long *) { return 0; });
}

template <typename T>
T __ldg(const T *address) {
    return *address;
}

inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline int __ffsll(unsigned long long bits) { return __builtin_ffsll((long long)bits); }
inline int __popc(unsigned int bits) { return __builtin_popcount(bits); }
inline int __ffs(unsigned int bits) { return __builtin_ffs(bits); }

template <typename To, typename From>
To shim_reinterpret(From from) {
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline unsigned int __float_as_uint(float value) { return shim_reinterpret<unsigned int>(value); }
inline float __uint_as_float(unsigned int bits) { return shim_reinterpret<float>(bits); }
inline int __float2int_rn(float value) { return (int)std::nearbyint(value); }
inline int __float2int_rd(float value) { return (int)std::floor(value); }

template <typename T>
T atomicAdd(T *address, T value) {
    T before = *address;
    *address = before + value;
    return before;
}

template <typename T>
T atomicOr(T *address, T value) {
    T before = *address;
    *address = before | value;
    return before;
}

inline int min(int one, int other) { return one < other ? one : other; }
inline int max(int one, int other) { return one > other ? one : other; }
