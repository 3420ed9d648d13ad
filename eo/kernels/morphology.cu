// Dilation of a mask by a disc in two passes: how near a set pixel lies in the same column, then
// whether any column of the disc reaches one. The same answer as eo.kernels.morphology.within.

extern "C" __global__ void column_reach(
    const unsigned char* __restrict__ image, unsigned short* __restrict__ near_px,
    const long long rows, const long long cols, const int reach) {
    const long long count = rows * cols;
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        const long long row = i / cols;
        int found = reach + 1;
        for (int k = 0; k <= reach; ++k) {
            const bool up = row - k >= 0 && image[i - k * cols];
            const bool down = row + k < rows && image[i + k * cols];
            if (up || down) {
                found = k;
                break;
            }
        }
        near_px[i] = (unsigned short)found;
    }
}

extern "C" __global__ void disc_any(
    const unsigned short* __restrict__ near_px, const int* __restrict__ half_px,
    unsigned char* __restrict__ out, const long long rows, const long long cols,
    const int reach) {
    const long long count = rows * cols;
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        const long long col = i % cols;
        bool found = false;
        for (int k = 0; k <= reach && !found; ++k) {
            found = (col - k >= 0 && near_px[i - k] <= half_px[k]) ||
                    (col + k < cols && near_px[i + k] <= half_px[k]);
        }
        out[i] = found ? 1 : 0;
    }
}
