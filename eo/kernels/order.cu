// A quantile over looks by its bits, as in eo.kernels.order: from the highest bit down, how many
// of the pixel's keys lie below a candidate. The keys are whole numbers in the order of the floats
// they stand for; what does not count comes last. A thread's keys lie in shared memory, its own
// bank, where the looks are few enough; else they are made anew from global memory each time.

extern __shared__ double order_pool[];

constexpr unsigned LAST = 0xffffffffu;

__device__ __forceinline__ unsigned key_of(const float value, const bool counts) {
    if (!counts || value != value) return LAST;
    union { float number; unsigned bits; } as;
    as.number = value;
    return as.bits >> 31 ? ~as.bits : as.bits | 0x80000000u;
}

__device__ __forceinline__ float value_of(const unsigned key) {
    union { float number; unsigned bits; } as;
    as.bits = key >> 31 ? key & 0x7fffffffu : ~key;
    return as.number;
}

__device__ __forceinline__ float size_of(const float a) { return a < 0.0f ? -a : a; }

struct Column {
    const float* values;
    const unsigned char* used;
    const unsigned* held;
    long long count;
    int stride;
    bool centred;
    float centre;

    __device__ __forceinline__ unsigned made(const int look) const {
        const float value = values[look * count];
        return key_of(centred ? size_of(value - centre) : value, used[look * count] != 0);
    }
    __device__ __forceinline__ unsigned operator[](const int look) const {
        return held ? held[look * stride] : made(look);
    }
};

extern "C" __global__ void clear_pair(
    const float* __restrict__ values, const unsigned char* __restrict__ used,
    const float* __restrict__ around, float* __restrict__ low, float* __restrict__ high,
    int* __restrict__ seen, const double share, const int looks, const int hold,
    const long long count) {
    const long long step = (long long)gridDim.x * blockDim.x;
    unsigned* const mine = (unsigned*)order_pool + threadIdx.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        Column keys = {values + i, used + i, nullptr, count, (int)blockDim.x, around != nullptr,
                       around ? around[i] : 0.0f};
        int number = 0;
        unsigned all = LAST, any = 0;
        for (int look = 0; look < looks; ++look) {
            const unsigned key = keys.made(look);
            if (hold) mine[look * (int)blockDim.x] = key;
            if (key == LAST) continue;
            ++number;
            all &= key;
            any |= key;
        }
        seen[i] = number;
        low[i] = high[i] = 0.0f;
        if (!number) continue;
        if (hold) keys.held = mine;
        const int wanted = (int)((number - 1) * share);
        unsigned open_bits = any & ~all;
        int top = 0;
        for (; open_bits; open_bits >>= 1) ++top;
        unsigned found = top == 32 ? 0u : all >> top << top;
        for (int bit = top - 1; bit >= 0; --bit) {
            const unsigned cut = found | 1u << bit;
            int below = 0;
            for (int look = 0; look < looks; ++look) below += keys[look] < cut;
            if (below <= wanted) found = cut;
        }
        int up_to = 0;
        unsigned next = LAST;
        for (int look = 0; look < looks; ++look) {
            const unsigned key = keys[look];
            up_to += key <= found;
            if (key > found && key < next) next = key;
        }
        low[i] = value_of(found);
        high[i] = up_to > wanted + 1 || up_to >= number ? low[i] : value_of(next);
    }
}
