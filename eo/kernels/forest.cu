// Gradient-boosted trees: the walk of eo.kernels.forest, branch for branch, leaves added in
// double precision and in the order of the trees, so that every path gives the same bits.
//
// A block takes blockDim.x * PIXELS samples. Their features, and one tree after another, lie in
// shared memory where they fit: a walk is a chain of dependent reads, scattered over the tree,
// and global memory would answer each with a whole line. A thread walks PIXELS samples at once,
// which hides the latency of one behind the others.

constexpr int PIXELS = 4;
constexpr unsigned NAN_LEFT = 1, ZERO_LEFT = 2, ZERO_RIGHT = 3, LEAF = 7;
constexpr float ZERO = 1e-35f;

struct alignas(8) Node {
    float threshold;
    unsigned word;  // right child: 16 bits, feature: 12 bits, kind: 4 bits
};

extern __shared__ double forest_pool[];

__device__ __forceinline__ bool goes_left(const float x, const float threshold,
                                          const unsigned kind) {
    bool left = x <= threshold;  // false for NaN
    if (kind) {
        const bool missing = x != x;
        const bool zero = x >= -ZERO && x <= ZERO;
        if (kind == NAN_LEFT) left = left || missing;
        if (kind == ZERO_LEFT) left = left || missing || zero;
        if (kind == ZERO_RIGHT) left = left && !zero;
    }
    return left;
}

extern "C" __global__ void forest_scores(
    const float* __restrict__ features, const Node* __restrict__ nodes,
    const double* __restrict__ value, const long long* __restrict__ root,
    double* __restrict__ out, const int n_features, const int n_classes, const int n_trees,
    const int hold_features, const int room, const long long count) {
    const int tile = (int)blockDim.x * PIXELS;
    Node* const held_tree = (Node*)forest_pool;
    float* const held = (float*)(held_tree + room);
    for (long long first = (long long)blockIdx.x * tile; first < count;
         first += (long long)gridDim.x * tile) {
        __syncthreads();
        if (hold_features)
            for (int f = 0; f < n_features; ++f)
                for (int i = threadIdx.x; i < tile; i += blockDim.x) {
                    const long long at = first + i < count ? first + i : count - 1;
                    held[f * tile + i] = features[f * count + at];
                }
        for (int c = 0; c < n_classes; ++c) {
            double sum[PIXELS];
            for (int k = 0; k < PIXELS; ++k) sum[k] = 0.0;
            for (int t = c; t < n_trees; t += n_classes) {
                const long long base = root[t];
                const int size = (int)(root[t + 1] - base);
                const bool staged = size <= room;
                __syncthreads();
                if (staged)
                    for (int i = threadIdx.x; i < size; i += blockDim.x)
                        held_tree[i] = nodes[base + i];
                __syncthreads();
                const Node* const tree = staged ? held_tree : nodes + base;
                int at[PIXELS];
                for (int k = 0; k < PIXELS; ++k) at[k] = 0;
                bool going = true;
                while (going) {
                    going = false;
#pragma unroll
                    for (int k = 0; k < PIXELS; ++k) {
                        const Node node = tree[at[k]];
                        const unsigned kind = node.word >> 28;
                        if (kind == LEAF) continue;
                        const int f = (int)(node.word >> 16 & 0xfffu);
                        const int lane = k * (int)blockDim.x + (int)threadIdx.x;
                        const long long there = first + lane < count ? first + lane : count - 1;
                        const float x =
                            hold_features ? held[f * tile + lane] : features[f * count + there];
                        at[k] = goes_left(x, node.threshold, kind) ? at[k] + 1
                                                                   : (int)(node.word & 0xffffu);
                        going = true;
                    }
                }
                for (int k = 0; k < PIXELS; ++k) sum[k] += value[base + at[k]];
            }
            for (int k = 0; k < PIXELS; ++k) {
                const long long i = first + k * (long long)blockDim.x + threadIdx.x;
                if (i < count) out[c * count + i] = sum[k];
            }
        }
    }
}
