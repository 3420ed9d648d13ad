// How far a pixel departs from its water, in one pass over the bands: the formula of
// eo.kernels.departure, operation for operation in single precision (built without fused
// multiply-add), so that both give the same bits.

extern "C" __global__ void departures(
    const float* __restrict__ reflectance, const float* __restrict__ level,
    const float* __restrict__ sigma, float* __restrict__ out, const float sign, const int bands,
    const long long count) {
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        float sum = 0.0f;
        for (int band = 0; band < bands; ++band) {
            const long long at = band * count + i;
            const float away = sign * (reflectance[at] - level[at]) / sigma[at];
            // NaN stays, as in NumPy's maximum.
            const float part = away < 0.0f ? 0.0f : away;
            sum = sum + part * part;
        }
        out[i] = sqrtf(sum / (float)bands);
    }
}
