"""The choice of a GPU with NVML, and checks of NVIDIA's driver and GPUs. No CUDA context is created."""
