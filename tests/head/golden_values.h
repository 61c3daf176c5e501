#pragma once
// Printed by golden_values.py; do not edit.

#include <cstddef>
#include <cstdint>

namespace graft::golden {

// epoch_order(rows, seed, epoch)
inline constexpr std::uint32_t order_10_seed_1_epoch_0[] = {
    5, 6, 1, 9, 8, 2, 7, 3, 4, 0,
};
inline constexpr std::uint32_t order_10_seed_1_epoch_1[] = {
    9, 8, 5, 2, 1, 3, 4, 7, 0, 6,
};
inline constexpr std::uint32_t order_10_seed_2_epoch_0[] = {
    6, 9, 8, 7, 5, 4, 0, 2, 3, 1,
};
inline constexpr std::uint32_t order_33_seed_1311768467463790320_epoch_70000[] = {
    10, 13, 9,  23, 24, 19, 27, 1, 2,  32, 28, 14, 18, 16, 30, 21, 29,
    22, 5,  25, 3,  11, 7,  12, 6, 26, 8,  20, 15, 17, 0,  31, 4,
};

// The bits of kernel elements: of layer 0 (8192 × 256) and layer 1 (256 × 1), at the indices.
inline constexpr std::size_t kernel_0_indices[] = {
    0, 1, 2, 3, 4, 5, 255, 256, 1048577, 2097151,
};
inline constexpr std::uint32_t kernel_0_seed_1[] = {
    0x3BD52E0EU, 0x3B278620U, 0xB99F70DAU, 0x3CD1BFE5U, 0x38297460U,
    0xBBDFE674U, 0x3CC1A8A1U, 0x3B72F44DU, 0xBBA926B8U, 0x3BC3396BU,
};
inline constexpr std::uint32_t kernel_1_seed_1[] = {
    0x3DE79BDAU, 0xBE0DB070U, 0x3DD96B4BU, 0xBD597DD7U,
    0x3D95F296U, 0xBE0B5C6DU, 0x3D864C63U, 0x3E0B8AC0U,
};
inline constexpr std::uint32_t kernel_0_seed_2[] = {
    0x3BCFEB96U, 0x3B68B677U, 0xBBC4DB37U, 0xBBBC32E3U, 0xBCA6E840U,
    0x3C0403F4U, 0x3B87602DU, 0xBC8146F6U, 0x3C7D0B66U, 0x3C1CC1AEU,
};

// A run (see golden_values.py): its rows, the loss of each epoch, and kernel and bias of both layers.
inline constexpr std::uint32_t run_labels[] = {
    0, 0, 0, 1, 2, 0, 1, 0, 0, 2, 0, 1,
};
inline constexpr float run_features[] = {
    2.0F,  0.625F, 1.25F,  0.5F,   2.875F, 0.5F,   0.125F, 1.125F, 2.75F, 0.75F,  0.75F, 0.75F,
    1.0F,  2.0F,   0.375F, 0.75F,  0.25F,  1.0F,   2.375F, 1.125F, 3.25F, 1.0F,   0.75F, 0.5F,
    1.25F, 2.0F,   0.125F, 0.25F,  2.25F,  0.75F,  1.25F,  0.375F, 3.0F,  0.5F,   0.0F,  0.875F,
    0.75F, 0.625F, 2.5F,   0.375F, 2.875F, 1.125F, 0.0F,   0.25F,  0.0F,  2.625F, 1.25F, 0.5F,
};
inline constexpr double run_losses[] = {
    1.4554483242979979,
    1.3191579566692593,
    1.2567240867168046,
    1.2255301988854208,
};
inline constexpr float run_parameters[] = {
    0.379676372F,  -0.0194415413F, 0.0389265157F,   1.05295408F,  0.133234546F,  -0.166193366F,
    0.205111474F,  -0.690631211F,  0.0445913002F,   0.679864347F, 0.776852906F,  0.0316181481F,
    -2.55224228F,  0.0530333556F,  -0.0397579446F,  0.682430446F, -0.845011473F, 0.631329F,
    -0.298953474F, 0.467992902F,   -1.00260234F,    0.402622581F, 0.821591437F,  0.357606024F,
    0.0205685887F, -0.0132106319F, -0.00962353311F,
};

}  // namespace graft::golden
