// Pixelwise cloudiness in one pass: the formula of eo.kernels.cloud.cloudiness, operation for
// operation in single precision, so that both give the same bits (built without fused
// multiply-add). Bands that are absent are passed as null pointers.

__device__ __forceinline__ float larger(float a, float b) {
    // NaN wins, as in NumPy's maximum.
    return (a != a || a > b) ? a : b;
}

__device__ __forceinline__ float smaller(float a, float b) {
    return (a != a || a < b) ? a : b;
}

__device__ __forceinline__ float size_of(float a) { return a < 0.0f ? -a : a; }

__device__ __forceinline__ bool is_finite(float a) { return a - a == 0.0f; }

extern "C" __global__ void cloudiness(
    const float* __restrict__ blue, const float* __restrict__ green,
    const float* __restrict__ red, const float* __restrict__ nir,
    const float* __restrict__ swir16, float* __restrict__ out,
    const float floor_blue, const float floor_green, const float floor_red,
    const float floor_nir, const float floor_swir16, const long long count) {
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        const float b = blue[i] - floor_blue;
        const float g = green[i] - floor_green;
        const float r = red[i] - floor_red;
        const float v = (b + g + r) / 3.0f;
        const float colour =
            (size_of(b - v) + size_of(g - v) + size_of(r - v)) / (size_of(v) + 0.02f);
        float haze = b - 0.5f * r;
        const float dimmest = smaller(smaller(b, g), r);
        if (dimmest > 0.28f) haze = larger(haze, 0.5f * b);
        float score = haze + 0.3f * b - 0.03f * colour;
        bool veto = colour > 0.8f || score < 0.0f;
        if (nir) {
            const float n = nir[i] - floor_nir;
            const float ratio = n / (size_of(r) + 0.02f);
            veto = veto || ratio > 2.5f || ratio < 0.6f;
            score = score + 0.0f * n;
            if (swir16) {
                const float s = swir16[i] - floor_swir16;
                veto = veto || s / (size_of(n) + 0.02f) < 0.4f;
                score = score + 0.0f * s;
            }
        }
        out[i] = (veto && is_finite(score)) ? 0.0f * dimmest : score;
    }
}
