// A stand-in for CUDA whose devices are the CPU: tests run the real CuPy over it (see packages.py).
//
// Device memory is memory of the host. Work on a stream is only written down when it is begun, and done when somebody
// waits for it, as late as CUDA allows: code that forgets to wait, or that changes pinned memory which is still on its
// way, gets wrong results. A kernel is a shared library that the tests have made of its .cu file with g++ and shim.h;
// $HOOKLINE_STAND_IN_KERNELS names their folder. What cannot be captured into a graph ends a capture, as in CUDA.
//
// A context of a device is opened where CUDA opens one; stand_in_contexts tells where, and a device of the list
// $HOOKLINE_STAND_IN_TAKEN has none to give, as one that another process has for itself.
//
// It has the functions of the CUDA runtime and driver that we are seen to need, as NVIDIA's headers declare them. Those that
// CuPy could call besides are made by packages.py, and give cudaErrorNotSupported.

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#define RUNTIME extern "C" __attribute__((visibility("default"))) cudaError_t
#define DRIVER extern "C" __attribute__((visibility("default"))) CUresult

namespace {

const int VERSION = 13020;
const size_t ALIGNMENT = 512;
const int RUBBISH = 0xAB;

size_t number_of(const char *name, size_t otherwise) {
    const char *value = std::getenv(name);
    return value ? std::strtoull(value, nullptr, 10) : otherwise;
}

typedef std::function<void()> Work;

struct Stream {
    int device;
    unsigned int flags;
    std::deque<Work> waiting;
    size_t done = 0;
    std::vector<Work> *capture = nullptr;  // while it is captured
    bool invalid = false;                  // the capture is

    size_t begun() const { return done + waiting.size(); }

    void begin(Work work) {
        if (capture)
            capture->push_back(std::move(work));
        else
            waiting.push_back(std::move(work));
    }

    void run(size_t upto) {
        while (done < upto) {
            Work work = std::move(waiting.front());
            waiting.pop_front();
            ++done;
            work();
        }
    }
};

struct Event {
    Stream *stream = nullptr;
    size_t position = 0;
};

struct Block {
    size_t size;
    int device;
};
typedef std::map<const char *, Block> Blocks;

struct Machine {
    std::recursive_mutex lock;
    int devices = (int)number_of("HOOKLINE_STAND_IN_DEVICES", 1);
    size_t memory = number_of("HOOKLINE_STAND_IN_MIB", 4096) << 20;
    size_t pinned_memory = number_of("HOOKLINE_STAND_IN_PINNED_MIB", 4096) << 20;
    std::map<int, Stream> defaults;
    std::set<Stream *> streams;
    std::set<int> contexts;
    Blocks device_blocks, pinned_blocks;
    std::map<int, size_t> used;
};

Machine &machine = *new Machine;  // outlives what is freed at the exit
thread_local int current = 0;
thread_local cudaError_t last = cudaSuccess;

#define LOCKED std::lock_guard<std::recursive_mutex> guard(machine.lock)

cudaError_t recorded(cudaError_t error) {
    if (error != cudaSuccess) last = error;
    return error;
}

// Opens the context of the current device, which most functions do by themselves.
cudaError_t open_context() {
    const char *taken = std::getenv("HOOKLINE_STAND_IN_TAKEN");
    if (taken && std::strchr(taken, '0' + current)) return recorded(cudaErrorDevicesUnavailable);
    machine.contexts.insert(current);
    return cudaSuccess;
}

#define IN_CONTEXT \
    LOCKED;        \
    if (cudaError_t refused = open_context()) return refused

Stream &stream_of(void *handle) {
    if ((size_t)handle > 2) return *(Stream *)handle;
    auto [place, is_new] = machine.defaults.try_emplace(current);
    place->second.device = current;
    machine.streams.insert(&place->second);
    return place->second;
}

void run_all() {
    for (Stream *stream : machine.streams) stream->run(stream->begun());
}

// What may not happen in a thread while it captures a stream: that ends the capture. (There is one capture at a time here.)
bool spoils_capture() {
    bool any = false;
    for (Stream *stream : machine.streams)
        if (stream->capture) any = stream->invalid = true;
    return any;
}

// The block that holds an address, or null.
const Blocks::value_type *block_of(const Blocks &blocks, const void *address) {
    auto next = blocks.upper_bound((const char *)address);
    if (next == blocks.begin()) return nullptr;
    const auto &block = *std::prev(next);
    return (const char *)address < block.first + block.second.size ? &block : nullptr;
}

bool holds(const Blocks &blocks, const void *address, size_t size) {
    const auto *block = block_of(blocks, address);
    return block && (const char *)address + size <= block->first + block->second.size;
}

char *take(Blocks &blocks, size_t size) {
    size_t room = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *address = (char *)std::aligned_alloc(ALIGNMENT, room);
    std::memset(address, RUBBISH, room);
    blocks[address] = {size, current};
    return address;
}

void give_back(Blocks &blocks, Blocks::iterator block) {
    run_all();
    char *address = (char *)block->first;
    std::memset(address, RUBBISH, block->second.size);
    blocks.erase(block);
    std::free(address);
}

}  // namespace

// ---- Devices ----------------------------------------------------------------------------------------------------------

RUNTIME cudaGetDeviceCount(int *count) {
    *count = machine.devices;
    return recorded(machine.devices ? cudaSuccess : cudaErrorNoDevice);
}

RUNTIME cudaGetDevice(int *device) {
    *device = current;
    return cudaSuccess;
}

RUNTIME cudaSetDevice(int device) {
    if (device < 0 || device >= machine.devices) return recorded(cudaErrorInvalidDevice);
    LOCKED;
    current = device;
    return open_context();
}

// The UUID holds a zero byte, as that of one GPU in sixteen does: 10001110-1111-1111-1111-11111111110N.
RUNTIME cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
    if (device < 0 || device >= machine.devices) return recorded(cudaErrorInvalidDevice);
    std::memset(properties, 0, sizeof *properties);
    std::snprintf(properties->name, sizeof properties->name, "Stand-in %d", device);
    std::memset(properties->uuid.bytes, 0x11, 16);
    properties->uuid.bytes[0] = 0x10;
    properties->uuid.bytes[1] = 0;
    properties->uuid.bytes[15] = (char)device;
    properties->totalGlobalMem = machine.memory;
    properties->major = 9;
    properties->warpSize = 32;
    properties->multiProcessorCount = 132;
    properties->maxThreadsPerBlock = 1024;
    return cudaSuccess;
}

RUNTIME cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int) {
    *value = attribute == cudaDevAttrComputeCapabilityMajor ? 9 : attribute == cudaDevAttrMultiProcessorCount ? 132 : 0;
    return cudaSuccess;
}

RUNTIME cudaDriverGetVersion(int *version) {
    *version = VERSION;
    return cudaSuccess;
}

RUNTIME cudaRuntimeGetVersion(int *version) {
    *version = VERSION;
    return cudaSuccess;
}

RUNTIME cudaDeviceSynchronize() {
    IN_CONTEXT;
    if (spoils_capture()) return recorded(cudaErrorStreamCaptureUnsupported);
    run_all();
    return cudaSuccess;
}

RUNTIME cudaGetLastError() {
    cudaError_t error = last;
    last = cudaSuccess;
    return error;
}

extern "C" const char *cudaGetErrorName(cudaError_t error) {
    return error == cudaErrorMemoryAllocation           ? "cudaErrorMemoryAllocation"
           : error == cudaErrorNoDevice                 ? "cudaErrorNoDevice"
           : error == cudaErrorInvalidValue             ? "cudaErrorInvalidValue"
           : error == cudaErrorStreamCaptureUnsupported ? "cudaErrorStreamCaptureUnsupported"
           : error == cudaErrorStreamCaptureInvalidated ? "cudaErrorStreamCaptureInvalidated"
           : error == cudaErrorNotSupported             ? "cudaErrorNotSupported"
           : error == cudaErrorDevicesUnavailable       ? "cudaErrorDevicesUnavailable"
                                                        : "another error";
}
extern "C" const char *cudaGetErrorString(cudaError_t) { return "reported by the stand-in for CUDA"; }

// ---- Memory -----------------------------------------------------------------------------------------------------------

RUNTIME cudaMalloc(void **address, size_t size) {
    IN_CONTEXT;
    if (spoils_capture()) return recorded(cudaErrorStreamCaptureUnsupported);
    size_t &used = machine.used[current];
    if (used + size > machine.memory) return recorded(cudaErrorMemoryAllocation);
    used += size;
    *address = take(machine.device_blocks, size);
    return cudaSuccess;
}

RUNTIME cudaFree(void *address) {
    IN_CONTEXT;
    if (!address) return cudaSuccess;
    if (spoils_capture()) return recorded(cudaErrorStreamCaptureUnsupported);
    auto block = machine.device_blocks.find((const char *)address);
    if (block == machine.device_blocks.end()) return recorded(cudaErrorInvalidValue);
    machine.used[block->second.device] -= block->second.size;
    give_back(machine.device_blocks, block);
    return cudaSuccess;
}

RUNTIME cudaHostAlloc(void **address, size_t size, unsigned int) {
    IN_CONTEXT;
    if (spoils_capture()) return recorded(cudaErrorStreamCaptureUnsupported);
    if (size > machine.pinned_memory) return recorded(cudaErrorMemoryAllocation);
    *address = take(machine.pinned_blocks, size);
    return cudaSuccess;
}

RUNTIME cudaFreeHost(void *address) {
    LOCKED;
    auto block = machine.pinned_blocks.find((const char *)address);
    if (block == machine.pinned_blocks.end()) return recorded(cudaErrorInvalidValue);
    give_back(machine.pinned_blocks, block);
    return cudaSuccess;
}

RUNTIME cudaMemGetInfo(size_t *free, size_t *total) {
    IN_CONTEXT;
    *total = machine.memory;
    *free = machine.memory - machine.used[current];
    return cudaSuccess;
}

RUNTIME cudaPointerGetAttributes(cudaPointerAttributes *attributes, const void *address) {
    LOCKED;
    const auto *on_device = block_of(machine.device_blocks, address);
    const auto *pinned = block_of(machine.pinned_blocks, address);
    attributes->type = on_device ? cudaMemoryTypeDevice : pinned ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
    attributes->device = on_device ? on_device->second.device : pinned ? pinned->second.device : -1;
    attributes->devicePointer = on_device || pinned ? (void *)address : nullptr;
    attributes->hostPointer = pinned ? (void *)address : nullptr;
    return cudaSuccess;
}

// As late as CUDA allows: copies from and to memory that is not pinned are done at once, behind what was begun before.
RUNTIME cudaMemcpyAsync(void *target, const void *source, size_t size, cudaMemcpyKind kind, cudaStream_t handle) {
    IN_CONTEXT;
    if (!size) return cudaSuccess;
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind != cudaMemcpyDefault) {
        if (to_device != holds(machine.device_blocks, target, size)) return recorded(cudaErrorInvalidValue);
        if (from_device != holds(machine.device_blocks, source, size)) return recorded(cudaErrorInvalidValue);
    }
    bool waits = true;
    for (const void *side : {(const void *)target, source})
        waits &= holds(machine.device_blocks, side, size) || holds(machine.pinned_blocks, side, size);
    Stream &stream = stream_of(handle);
    if (!waits && stream.capture) {
        stream.invalid = true;
        return recorded(cudaErrorStreamCaptureUnsupported);
    }
    stream.begin([=] { std::memcpy(target, source, size); });
    if (!waits) stream.run(stream.begun());
    return cudaSuccess;
}

RUNTIME cudaMemcpy(void *target, const void *source, size_t size, cudaMemcpyKind kind) {
    LOCKED;
    if (spoils_capture()) return recorded(cudaErrorStreamCaptureUnsupported);
    cudaError_t error = cudaMemcpyAsync(target, source, size, kind, nullptr);
    Stream &stream = stream_of(nullptr);
    stream.run(stream.begun());
    return error;
}

RUNTIME cudaMemsetAsync(void *target, int value, size_t size, cudaStream_t handle) {
    LOCKED;
    if (!holds(machine.device_blocks, target, size)) return recorded(cudaErrorInvalidValue);
    stream_of(handle).begin([=] { std::memset(target, value, size); });
    return cudaSuccess;
}

// ---- Streams, events, graphs ------------------------------------------------------------------------------------------

RUNTIME cudaStreamCreateWithPriority(cudaStream_t *handle, unsigned int flags, int) {
    IN_CONTEXT;
    Stream *stream = new Stream{current, flags, {}, 0, nullptr, false};
    machine.streams.insert(stream);
    *handle = (cudaStream_t)stream;
    return cudaSuccess;
}

RUNTIME cudaStreamDestroy(cudaStream_t handle) {
    LOCKED;
    Stream &stream = stream_of(handle);
    stream.run(stream.begun());
    machine.streams.erase(&stream);  // it is not freed: events may name it
    return cudaSuccess;
}

RUNTIME cudaStreamGetFlags(cudaStream_t handle, unsigned int *flags) {
    LOCKED;
    *flags = stream_of(handle).flags;
    return cudaSuccess;
}

RUNTIME cudaStreamSynchronize(cudaStream_t handle) {
    LOCKED;
    Stream &stream = stream_of(handle);
    if (stream.capture) {
        stream.invalid = true;
        return recorded(cudaErrorStreamCaptureUnsupported);
    }
    stream.run(stream.begun());
    return cudaSuccess;
}

// Who asks again and again sees the end.
RUNTIME cudaStreamQuery(cudaStream_t handle) {
    LOCKED;
    Stream &stream = stream_of(handle);
    if (stream.capture) return recorded(cudaErrorStreamCaptureUnsupported);
    if (stream.waiting.empty()) return cudaSuccess;
    stream.run(stream.done + 1);
    return cudaErrorNotReady;
}

RUNTIME cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned int) {
    LOCKED;
    Event seen = *(Event *)event;
    if (seen.stream) stream_of(handle).begin([=] { seen.stream->run(seen.position); });
    return cudaSuccess;
}

RUNTIME cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int) {
    IN_CONTEXT;
    *event = (cudaEvent_t) new Event;
    return cudaSuccess;
}

RUNTIME cudaEventDestroy(cudaEvent_t event) {
    delete (Event *)event;
    return cudaSuccess;
}

RUNTIME cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
    LOCKED;
    Stream &stream = stream_of(handle);
    if (!stream.capture) *(Event *)event = {&stream, stream.begun()};
    return cudaSuccess;
}

RUNTIME cudaEventSynchronize(cudaEvent_t event) {
    LOCKED;
    Event &seen = *(Event *)event;
    if (seen.stream) seen.stream->run(seen.position);
    return cudaSuccess;
}

RUNTIME cudaEventQuery(cudaEvent_t event) {
    LOCKED;
    Event &seen = *(Event *)event;
    if (!seen.stream || seen.stream->done >= seen.position) return cudaSuccess;
    seen.stream->run(seen.stream->done + 1);
    return cudaErrorNotReady;
}

RUNTIME cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode) {
    LOCKED;
    if ((size_t)handle <= 1) return recorded(cudaErrorStreamCaptureUnsupported);  // the default stream
    Stream &stream = stream_of(handle);
    if (stream.capture) return recorded(cudaErrorIllegalState);
    stream.capture = new std::vector<Work>;
    stream.invalid = false;
    return cudaSuccess;
}

RUNTIME cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph) {
    LOCKED;
    Stream &stream = stream_of(handle);
    *graph = nullptr;
    if (!stream.capture) return recorded(cudaErrorIllegalState);
    std::unique_ptr<std::vector<Work>> captured(stream.capture);
    stream.capture = nullptr;
    if (stream.invalid) return recorded(cudaErrorStreamCaptureInvalidated);
    *graph = (cudaGraph_t)captured.release();
    return cudaSuccess;
}

RUNTIME cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus *status) {
    LOCKED;
    Stream &stream = stream_of(handle);
    *status = !stream.capture  ? cudaStreamCaptureStatusNone
              : stream.invalid ? cudaStreamCaptureStatusInvalidated
                               : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

RUNTIME cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long) {
    *executable = (cudaGraphExec_t) new std::vector<Work>(*(std::vector<Work> *)graph);
    return cudaSuccess;
}

RUNTIME cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
    LOCKED;
    for (const Work &work : *(std::vector<Work> *)executable) stream_of(handle).begin(work);
    return cudaSuccess;
}

RUNTIME cudaGraphDestroy(cudaGraph_t graph) {
    delete (std::vector<Work> *)graph;
    return cudaSuccess;
}

RUNTIME cudaGraphExecDestroy(cudaGraphExec_t executable) {
    delete (std::vector<Work> *)executable;
    return cudaSuccess;
}

// ---- Modules and kernels, which CuPy takes from the driver ------------------------------------------------------------

namespace {

struct Kernel {
    void (*run)(const unsigned int *grid, const unsigned int *block, void *const *arguments);
    size_t size;  // of its arguments
};

// An ELF file from its header on, whose sections stand at its end.
std::string elf(const char *image) {
    unsigned long long sections;
    unsigned short size, count;
    std::memcpy(&sections, image + 40, sizeof sections);
    std::memcpy(&size, image + 58, sizeof size);
    std::memcpy(&count, image + 60, sizeof count);
    return {image, sections + (size_t)size * count};
}

}  // namespace

DRIVER cuModuleLoadData(CUmodule *module, const void *image) {
    LOCKED;
    if (spoils_capture()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (std::memcmp(image, "\177ELF", 4) != 0) return CUDA_ERROR_NOT_SUPPORTED;  // machine code for one GPU
    *module = (CUmodule) new std::string(elf((const char *)image));
    return CUDA_SUCCESS;
}

DRIVER cuModuleUnload(CUmodule module) {
    delete (std::string *)module;
    return CUDA_SUCCESS;
}

DRIVER cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    LOCKED;
    std::string section = std::string(".text.") + name + '\0';
    if (((std::string *)module)->find(section) == std::string::npos) return CUDA_ERROR_NOT_FOUND;
    const char *folder = std::getenv("HOOKLINE_STAND_IN_KERNELS");
    std::string path = std::string(folder ? folder : ".") + "/" + name + ".so";
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) return CUDA_ERROR_NOT_FOUND;
    auto size = (size_t(*)())dlsym(library, "size");
    *function = (CUfunction) new Kernel{(decltype(Kernel::run))dlsym(library, "run"), size()};
    return CUDA_SUCCESS;
}

DRIVER cuFuncGetAttribute(int *value, CUfunction_attribute, CUfunction) {
    *value = 32;
    return CUDA_SUCCESS;
}

// Kernels of ours take one structure; it is copied when the launch is begun, as in CUDA.
DRIVER cuLaunchKernel(CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
                      unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int, CUstream handle,
                      void **arguments, void **) {
    LOCKED;
    Stream &stream = stream_of(handle);
    if (stream.device != current) return CUDA_ERROR_INVALID_CONTEXT;
    if (!grid_x || !grid_y || !grid_z || !block_x || grid_x > 0x7fffffff || std::max(grid_y, grid_z) > 65535 ||
        block_x * block_y * block_z > 1024)
        return CUDA_ERROR_INVALID_VALUE;
    const Kernel &kernel = *(Kernel *)function;
    auto argument = std::make_shared<std::vector<double>>(kernel.size / sizeof(double) + 1);
    std::memcpy(argument->data(), arguments[0], kernel.size);
    stream.begin([=, &kernel] {
        unsigned int grid[] = {grid_x, grid_y, grid_z}, block[] = {block_x, block_y, block_z};
        void *addresses[] = {argument->data()};
        kernel.run(grid, block, addresses);
    });
    return CUDA_SUCCESS;
}

DRIVER cuGetErrorName(CUresult, const char **text) {
    *text = "an error of the stand-in for CUDA's driver";
    return CUDA_SUCCESS;
}

DRIVER cuGetErrorString(CUresult error, const char **text) { return cuGetErrorName(error, text); }

// ---- For tests --------------------------------------------------------------------------------------------------------

// The devices that have a context, as bits.
extern "C" __attribute__((visibility("default"))) unsigned int stand_in_contexts() {
    LOCKED;
    unsigned int bits = 0;
    for (int device : machine.contexts) bits |= 1u << device;
    return bits;
}

// Begin work of a test's own on a stream.
extern "C" __attribute__((visibility("default"))) void stand_in_begin(void *stream, void (*work)()) {
    LOCKED;
    stream_of(stream).begin(work);
}
