#pragma once
// Printed by golden_metrics.py; do not edit.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace graft::golden {

using Figures = std::vector<std::optional<double>>;  // of each class
struct Case {
  const char* name;
  std::size_t classes;
  std::span<const float> probabilities;
  std::span<const std::uint32_t> labels;
  Figures precision, recall, f1, auc;
  double accuracy, wilson_low, wilson_high, balanced_accuracy, macro_f1, baseline;
  std::optional<double> mean_auc, threshold, balanced_accuracy_at_threshold;
};

inline constexpr float two_classes_probabilities[] = {
    0.22000003F, 0.78F, 0.19F,       0.81F, 0.48000002F, 0.52F, 0.3F,         0.7F,
    0.58000004F, 0.42F, 0.68F,       0.32F, 0.29000002F, 0.71F, 0.48000002F,  0.52F,
    0.55F,       0.45F, 0.66999996F, 0.33F, 0.76F,       0.24F, 0.089999974F, 0.91F,
    0.32F,       0.68F, 0.43F,       0.57F, 0.53999996F, 0.46F, 0.32F,        0.68F,
    0.57F,       0.43F, 0.63F,       0.37F, 0.24000001F, 0.76F, 0.9F,         0.1F,
    0.68F,       0.32F, 0.19999999F, 0.8F,  0.77F,       0.23F, 0.7F,         0.3F,
    0.37F,       0.63F, 0.65F,       0.35F, 0.59000003F, 0.41F, 0.0F,         1.0F,
    0.62F,       0.38F, 0.83F,       0.17F, 0.0F,        1.0F,  0.7F,         0.3F,
    0.74F,       0.26F, 0.59000003F, 0.41F, 0.82F,       0.18F, 0.57F,        0.43F,
    0.72F,       0.28F, 1.0F,        0.0F,  0.59000003F, 0.41F, 0.5F,         0.5F,
    0.43F,       0.57F, 0.78F,       0.22F, 0.61F,       0.39F, 0.32F,        0.68F,
    0.29000002F, 0.71F, 0.14999998F, 0.85F, 0.47000003F, 0.53F, 0.77F,        0.23F,
    0.56F,       0.44F, 1.0F,        0.0F,  0.76F,       0.24F, 0.16000003F,  0.84F,
    0.97F,       0.03F, 0.79F,       0.21F, 0.58000004F, 0.42F, 0.57F,        0.43F,
    0.69F,       0.31F, 0.36F,       0.64F, 0.95F,       0.05F, 0.62F,        0.38F};
inline constexpr std::uint32_t two_classes_labels[] = {
    1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0,
    1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0};
inline const Case two_classes = {"two_classes",
                                 2,
                                 two_classes_probabilities,
                                 two_classes_labels,
                                 {0.8157894736842105, 0.5909090909090909},
                                 {0.775, 0.65},
                                 {0.7948717948717948, 0.6190476190476191},
                                 {0.8212499999999999, 0.82125},
                                 0.7333333333333333,
                                 0.6099128690331636,
                                 0.8286735999671945,
                                 0.7125,
                                 0.7069597069597069,
                                 0.6666666666666666,
                                 0.82125,
                                 0.5999999940395355,
                                 0.775};

inline constexpr float two_classes_well_separated_probabilities[] = {
    1.0F, 0.0F, 0.060000002F, 0.94F, 1.0F,  0.0F,  0.0F, 1.0F, 1.0F,  0.0F,  0.0F,        1.0F,
    1.0F, 0.0F, 0.0F,         1.0F,  1.0F,  0.0F,  0.0F, 1.0F, 0.89F, 0.11F, 0.19F,       0.81F,
    1.0F, 0.0F, 0.0F,         1.0F,  1.0F,  0.0F,  0.0F, 1.0F, 1.0F,  0.0F,  0.0F,        1.0F,
    1.0F, 0.0F, 0.0F,         1.0F,  1.0F,  0.0F,  0.0F, 1.0F, 1.0F,  0.0F,  0.0F,        1.0F,
    1.0F, 0.0F, 0.0F,         1.0F,  0.87F, 0.13F, 0.0F, 1.0F, 1.0F,  0.0F,  0.07999998F, 0.92F};
inline constexpr std::uint32_t two_classes_well_separated_labels[] = {
    0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
inline const Case two_classes_well_separated = {"two_classes_well_separated",
                                                2,
                                                two_classes_well_separated_probabilities,
                                                two_classes_well_separated_labels,
                                                {1.0, 1.0},
                                                {1.0, 1.0},
                                                {1.0, 1.0},
                                                {1.0, 1.0},
                                                1.0,
                                                0.8864866068260312,
                                                1.0,
                                                1.0,
                                                1.0,
                                                0.5,
                                                1.0,
                                                0.5,
                                                1.0};

inline constexpr float two_classes_inverted_probabilities[] = {
    0.0F,        1.0F,  1.0F,  0.0F,  0.0F, 1.0F, 1.0F,  0.0F,  0.0F, 1.0F, 1.0F,  0.0F,
    0.0F,        1.0F,  0.94F, 0.06F, 0.0F, 1.0F, 0.85F, 0.15F, 0.0F, 1.0F, 0.97F, 0.03F,
    0.23000002F, 0.77F, 1.0F,  0.0F,  0.0F, 1.0F, 1.0F,  0.0F,  0.0F, 1.0F, 1.0F,  0.0F,
    0.0F,        1.0F,  1.0F,  0.0F,  0.0F, 1.0F, 1.0F,  0.0F,  0.0F, 1.0F, 0.96F, 0.04F};
inline constexpr std::uint32_t two_classes_inverted_labels[] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
                                                                0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
inline const Case two_classes_inverted = {"two_classes_inverted",
                                          2,
                                          two_classes_inverted_probabilities,
                                          two_classes_inverted_labels,
                                          {0.0, 0.0},
                                          {0.0, 0.0},
                                          {0.0, 0.0},
                                          {0.0, 0.0},
                                          0.0,
                                          0.0,
                                          0.1379762046749802,
                                          0.0,
                                          0.0,
                                          0.5,
                                          0.0,
                                          0.014999999664723873,
                                          0.16666666666666666};

inline constexpr float the_second_class_alone_probabilities[] = {
    0.76F,       0.24F, 0.0F,        1.0F,  0.0F,        1.0F,  0.0F,        1.0F,
    0.22000003F, 0.78F, 0.53F,       0.47F, 0.38F,       0.62F, 0.07999998F, 0.92F,
    0.35000002F, 0.65F, 0.19999999F, 0.8F,  0.26999998F, 0.73F, 0.14999998F, 0.85F};
inline constexpr std::uint32_t the_second_class_alone_labels[] = {1, 1, 1, 1, 1, 1,
                                                                  1, 1, 1, 1, 1, 1};
inline const Case the_second_class_alone = {"the_second_class_alone",
                                            2,
                                            the_second_class_alone_probabilities,
                                            the_second_class_alone_labels,
                                            {0.0, 1.0},
                                            {std::nullopt, 0.8333333333333334},
                                            {0.0, 0.9090909090909091},
                                            {std::nullopt, std::nullopt},
                                            0.8333333333333334,
                                            0.5519691377470266,
                                            0.953034857816146,
                                            0.8333333333333334,
                                            0.45454545454545453,
                                            1.0,
                                            std::nullopt,
                                            std::nullopt,
                                            std::nullopt};

inline constexpr float one_image_probabilities[] = {0.07999998F, 0.92F};
inline constexpr std::uint32_t one_image_labels[] = {0};
inline const Case one_image = {"one_image",
                               2,
                               one_image_probabilities,
                               one_image_labels,
                               {std::nullopt, 0.0},
                               {0.0, std::nullopt},
                               {0.0, 0.0},
                               {std::nullopt, std::nullopt},
                               0.0,
                               0.0,
                               0.7934506856227626,
                               0.0,
                               0.0,
                               1.0,
                               std::nullopt,
                               std::nullopt,
                               std::nullopt};

inline constexpr float four_classes_probabilities[] = {
    0.52F, 0.21F, 0.02F, 0.25F, 0.04F, 0.46F, 0.25F, 0.25F, 0.49F, 0.07F, 0.28F, 0.16F, 0.07F,
    0.11F, 0.5F,  0.32F, 0.24F, 0.28F, 0.34F, 0.14F, 0.43F, 0.21F, 0.23F, 0.12F, 0.12F, 0.47F,
    0.27F, 0.15F, 0.42F, 0.25F, 0.15F, 0.19F, 0.15F, 0.55F, 0.03F, 0.28F, 0.43F, 0.12F, 0.3F,
    0.16F, 0.08F, 0.28F, 0.58F, 0.06F, 0.22F, 0.08F, 0.56F, 0.14F, 0.41F, 0.03F, 0.24F, 0.32F,
    0.36F, 0.25F, 0.24F, 0.15F, 0.33F, 0.28F, 0.08F, 0.31F, 0.03F, 0.62F, 0.11F, 0.24F, 0.32F,
    0.28F, 0.16F, 0.24F, 0.17F, 0.26F, 0.28F, 0.29F, 0.32F, 0.0F,  0.43F, 0.25F, 0.39F, 0.25F,
    0.2F,  0.16F, 0.27F, 0.26F, 0.32F, 0.16F, 0.39F, 0.07F, 0.21F, 0.33F, 0.1F,  0.58F, 0.3F,
    0.01F, 0.37F, 0.05F, 0.37F, 0.22F, 0.33F, 0.08F, 0.45F, 0.14F, 0.13F, 0.16F, 0.33F, 0.38F,
    0.59F, 0.17F, 0.07F, 0.17F, 0.04F, 0.64F, 0.08F, 0.24F, 0.34F, 0.35F, 0.11F, 0.19F, 0.02F,
    0.48F, 0.2F,  0.3F,  0.49F, 0.23F, 0.05F, 0.23F, 0.26F, 0.04F, 0.57F, 0.14F, 0.27F, 0.11F,
    0.33F, 0.29F, 0.54F, 0.15F, 0.16F, 0.15F, 0.34F, 0.34F, 0.31F, 0.0F,  0.5F,  0.01F, 0.23F,
    0.26F, 0.1F,  0.44F, 0.11F, 0.35F, 0.34F, 0.04F, 0.33F, 0.28F, 0.32F, 0.21F, 0.42F, 0.05F,
    0.26F, 0.04F, 0.28F, 0.42F, 0.57F, 0.18F, 0.01F, 0.24F, 0.28F, 0.41F, 0.05F, 0.26F, 0.46F,
    0.09F, 0.06F, 0.38F, 0.3F,  0.37F, 0.0F,  0.33F, 0.44F, 0.33F, 0.15F, 0.08F, 0.3F,  0.32F,
    0.26F, 0.12F, 0.21F, 0.18F, 0.42F, 0.19F, 0.69F, 0.05F, 0.04F, 0.23F, 0.24F, 0.44F, 0.08F,
    0.24F, 0.49F, 0.02F, 0.3F,  0.2F,  0.22F, 0.53F, 0.14F, 0.11F, 0.35F, 0.35F, 0.03F, 0.27F,
    0.06F, 0.44F, 0.49F, 0.0F,  0.3F,  0.18F, 0.26F, 0.26F, 0.42F, 0.06F, 0.16F, 0.35F, 0.02F,
    0.44F, 0.35F, 0.2F,  0.39F, 0.02F, 0.16F, 0.43F, 0.24F, 0.36F, 0.3F,  0.1F,  0.45F, 0.32F,
    0.19F, 0.03F, 0.08F, 0.39F, 0.37F, 0.16F, 0.24F, 0.35F, 0.35F, 0.05F, 0.49F, 0.19F, 0.24F,
    0.08F, 0.02F, 0.55F, 0.04F, 0.4F,  0.57F, 0.18F, 0.15F, 0.1F,  0.3F,  0.38F, 0.11F, 0.2F,
    0.43F, 0.14F, 0.21F, 0.23F, 0.17F, 0.02F, 0.55F, 0.25F, 0.15F, 0.13F, 0.47F, 0.26F, 0.27F,
    0.36F, 0.29F, 0.07F, 0.25F, 0.3F,  0.38F, 0.07F};
inline constexpr std::uint32_t four_classes_labels[] = {
    0, 1, 0, 2, 2, 0, 1, 0, 1, 0, 2, 2, 0, 1, 0, 1, 0, 2, 2, 0, 1, 0, 1, 0,
    2, 2, 0, 1, 0, 1, 0, 2, 2, 0, 1, 0, 1, 0, 2, 2, 0, 1, 0, 1, 0, 2, 2, 0,
    1, 0, 1, 0, 2, 2, 0, 1, 0, 1, 0, 2, 2, 0, 1, 0, 1, 0, 2, 2, 0, 1};
inline const Case four_classes = {"four_classes",
                                  4,
                                  four_classes_probabilities,
                                  four_classes_labels,
                                  {0.9, 0.7619047619047619, 0.8666666666666667, 0.0},
                                  {0.9, 0.8, 0.65, std::nullopt},
                                  {0.9, 0.7804878048780488, 0.7428571428571429, 0.0},
                                  {0.9820833333333334, 0.9475, 0.937, std::nullopt},
                                  0.8,
                                  0.6918335550374693,
                                  0.8769526075163704,
                                  0.7833333333333333,
                                  0.605836236933798,
                                  0.42857142857142855,
                                  0.9555277777777779,
                                  std::nullopt,
                                  std::nullopt};

inline constexpr float a_class_without_images_probabilities[] = {
    0.5F,  0.11F, 0.38F, 0.18F, 0.34F, 0.48F, 0.4F,  0.31F, 0.29F, 0.29F, 0.11F, 0.59F,
    0.52F, 0.26F, 0.22F, 0.27F, 0.25F, 0.48F, 0.24F, 0.6F,  0.16F, 0.47F, 0.2F,  0.33F,
    0.31F, 0.35F, 0.34F, 0.4F,  0.08F, 0.53F, 0.58F, 0.07F, 0.35F, 0.05F, 0.56F, 0.38F,
    0.28F, 0.57F, 0.16F, 0.01F, 0.42F, 0.56F, 0.29F, 0.35F, 0.36F, 0.36F, 0.27F, 0.37F,
    0.49F, 0.21F, 0.31F, 0.39F, 0.06F, 0.54F, 0.68F, 0.17F, 0.15F, 0.31F, 0.22F, 0.47F,
    0.66F, 0.1F,  0.23F, 0.3F,  0.14F, 0.56F, 0.35F, 0.32F, 0.33F, 0.13F, 0.42F, 0.46F,
    0.42F, 0.44F, 0.14F, 0.12F, 0.33F, 0.55F, 0.28F, 0.16F, 0.56F, 0.35F, 0.24F, 0.41F,
    0.59F, 0.4F,  0.01F, 0.13F, 0.52F, 0.35F, 0.44F, 0.24F, 0.32F, 0.37F, 0.02F, 0.62F,
    0.48F, 0.35F, 0.16F, 0.49F, 0.21F, 0.3F,  0.5F,  0.37F, 0.13F, 0.45F, 0.27F, 0.28F,
    0.32F, 0.28F, 0.4F,  0.42F, 0.14F, 0.44F, 0.49F, 0.11F, 0.4F,  0.44F, 0.01F, 0.55F};
inline constexpr std::uint32_t a_class_without_images_labels[] = {
    0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2,
    0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2};
inline const Case a_class_without_images = {"a_class_without_images",
                                            3,
                                            a_class_without_images_probabilities,
                                            a_class_without_images_labels,
                                            {0.8125, 0.0, 0.8333333333333334},
                                            {0.65, std::nullopt, 0.75},
                                            {0.7222222222222222, 0.0, 0.7894736842105263},
                                            {0.755, std::nullopt, 0.86875},
                                            0.7,
                                            0.5456998118185507,
                                            0.8192515477025347,
                                            0.7,
                                            0.5038986354775828,
                                            0.5,
                                            0.811875,
                                            std::nullopt,
                                            std::nullopt};

inline constexpr float a_class_never_predicted_probabilities[] = {
    0.64F, 0.0F, 0.36F, 0.43F, 0.0F, 0.57F, 0.32F, 0.0F, 0.68F, 0.66F, 0.0F, 0.34F,
    0.35F, 0.0F, 0.65F, 0.25F, 0.0F, 0.75F, 0.6F,  0.0F, 0.4F,  0.38F, 0.0F, 0.62F,
    0.39F, 0.0F, 0.61F, 0.81F, 0.0F, 0.19F, 0.18F, 0.0F, 0.82F, 0.43F, 0.0F, 0.57F,
    0.69F, 0.0F, 0.31F, 0.12F, 0.0F, 0.88F, 0.18F, 0.0F, 0.82F, 0.78F, 0.0F, 0.22F,
    0.78F, 0.0F, 0.22F, 0.35F, 0.0F, 0.65F, 0.66F, 0.0F, 0.34F, 0.66F, 0.0F, 0.34F,
    0.13F, 0.0F, 0.87F, 0.65F, 0.0F, 0.35F, 0.92F, 0.0F, 0.08F, 0.42F, 0.0F, 0.58F,
    0.84F, 0.0F, 0.16F, 0.05F, 0.0F, 0.95F, 0.26F, 0.0F, 0.74F, 0.63F, 0.0F, 0.37F,
    0.11F, 0.0F, 0.89F, 0.29F, 0.0F, 0.71F, 0.92F, 0.0F, 0.08F, 0.47F, 0.0F, 0.53F,
    0.34F, 0.0F, 0.66F, 0.42F, 0.0F, 0.58F, 0.3F,  0.0F, 0.7F,  0.34F, 0.0F, 0.66F,
    0.46F, 0.0F, 0.54F, 0.26F, 0.0F, 0.74F, 0.02F, 0.0F, 0.98F, 0.63F, 0.0F, 0.37F};
inline constexpr std::uint32_t a_class_never_predicted_labels[] = {
    0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1,
    2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0};
inline const Case a_class_never_predicted = {"a_class_never_predicted",
                                             3,
                                             a_class_never_predicted_probabilities,
                                             a_class_never_predicted_labels,
                                             {0.8, std::nullopt, 0.52},
                                             {0.8571428571428571, 0.0, 1.0},
                                             {0.8275862068965517, 0.0, 0.6842105263157895},
                                             {0.8997252747252747, 0.5, 0.7991452991452992},
                                             0.625,
                                             0.470324391373011,
                                             0.7577702083276672,
                                             0.6190476190476191,
                                             0.5039322444041138,
                                             0.35,
                                             0.7329568579568578,
                                             std::nullopt,
                                             std::nullopt};

inline constexpr float neither_images_nor_predictions_probabilities[] = {
    0.35F, 0.43F, 0.22F, 0.0F,  0.53F, 0.36F, 0.11F, 0.0F,  0.4F,  0.16F, 0.45F, 0.0F,  0.57F,
    0.03F, 0.4F,  0.0F,  0.5F,  0.32F, 0.18F, 0.0F,  0.3F,  0.2F,  0.49F, 0.0F,  0.56F, 0.26F,
    0.17F, 0.0F,  0.49F, 0.5F,  0.02F, 0.0F,  0.28F, 0.27F, 0.45F, 0.0F,  0.55F, 0.21F, 0.24F,
    0.0F,  0.35F, 0.27F, 0.38F, 0.0F,  0.25F, 0.27F, 0.48F, 0.0F,  0.3F,  0.31F, 0.39F, 0.0F,
    0.25F, 0.38F, 0.37F, 0.0F,  0.15F, 0.3F,  0.55F, 0.0F,  0.56F, 0.08F, 0.36F, 0.0F,  0.26F,
    0.46F, 0.27F, 0.0F,  0.22F, 0.18F, 0.6F,  0.0F,  0.73F, 0.06F, 0.21F, 0.0F,  0.04F, 0.55F,
    0.41F, 0.0F,  0.16F, 0.19F, 0.64F, 0.0F,  0.37F, 0.01F, 0.61F, 0.0F,  0.31F, 0.32F, 0.37F,
    0.0F,  0.27F, 0.16F, 0.57F, 0.0F,  0.57F, 0.0F,  0.43F, 0.0F,  0.37F, 0.46F, 0.17F, 0.0F,
    0.44F, 0.16F, 0.4F,  0.0F,  0.3F,  0.17F, 0.52F, 0.0F,  0.03F, 0.54F, 0.43F, 0.0F,  0.45F,
    0.21F, 0.34F, 0.0F,  0.31F, 0.55F, 0.14F, 0.0F,  0.31F, 0.57F, 0.12F, 0.0F,  0.31F, 0.05F,
    0.64F, 0.0F,  0.5F,  0.17F, 0.33F, 0.0F,  0.11F, 0.6F,  0.3F,  0.0F,  0.21F, 0.32F, 0.47F,
    0.0F,  0.81F, 0.17F, 0.02F, 0.0F,  0.06F, 0.71F, 0.23F, 0.0F,  0.21F, 0.39F, 0.4F,  0.0F,
    0.43F, 0.24F, 0.34F, 0.0F};
inline constexpr std::uint32_t neither_images_nor_predictions_labels[] = {
    0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1,
    2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0};
inline const Case neither_images_nor_predictions = {
    "neither_images_nor_predictions",
    4,
    neither_images_nor_predictions_probabilities,
    neither_images_nor_predictions_labels,
    {0.6923076923076923, 0.8181818181818182, 0.6875, std::nullopt},
    {0.6428571428571429, 0.6923076923076923, 0.8461538461538461, std::nullopt},
    {0.6666666666666666, 0.75, 0.7586206896551724, std::nullopt},
    {0.8543956043956044, 0.9301994301994302, 0.8988603988603989, std::nullopt},
    0.725,
    0.5716504419378943,
    0.8389198375233267,
    0.7271062271062272,
    0.7250957854406129,
    0.35,
    0.8944851444851446,
    std::nullopt,
    std::nullopt};

inline constexpr float one_class_of_three_probabilities[] = {
    0.02F, 0.22F, 0.77F, 0.4F,  0.06F, 0.55F, 0.33F, 0.22F, 0.44F, 0.4F,  0.16F, 0.44F,
    0.3F,  0.3F,  0.4F,  0.16F, 0.35F, 0.49F, 0.34F, 0.15F, 0.51F, 0.18F, 0.26F, 0.56F,
    0.34F, 0.24F, 0.42F, 0.35F, 0.07F, 0.58F, 0.24F, 0.27F, 0.48F, 0.28F, 0.07F, 0.65F,
    0.3F,  0.18F, 0.53F, 0.37F, 0.16F, 0.47F, 0.18F, 0.35F, 0.47F, 0.41F, 0.06F, 0.53F,
    0.13F, 0.33F, 0.54F, 0.37F, 0.2F,  0.43F, 0.06F, 0.07F, 0.86F, 0.26F, 0.19F, 0.55F};
inline constexpr std::uint32_t one_class_of_three_labels[] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
                                                              2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
inline const Case one_class_of_three = {"one_class_of_three",
                                        3,
                                        one_class_of_three_probabilities,
                                        one_class_of_three_labels,
                                        {std::nullopt, std::nullopt, 1.0},
                                        {std::nullopt, std::nullopt, 1.0},
                                        {std::nullopt, std::nullopt, 1.0},
                                        {std::nullopt, std::nullopt, std::nullopt},
                                        1.0,
                                        0.8388748419471808,
                                        1.0,
                                        1.0,
                                        1.0,
                                        1.0,
                                        std::nullopt,
                                        std::nullopt,
                                        std::nullopt};

inline const Case* const cases[] = {&two_classes,
                                    &two_classes_well_separated,
                                    &two_classes_inverted,
                                    &the_second_class_alone,
                                    &one_image,
                                    &four_classes,
                                    &a_class_without_images,
                                    &a_class_never_predicted,
                                    &neither_images_nor_predictions,
                                    &one_class_of_three};

}  // namespace graft::golden
