#!/usr/bin/env python3
"""Prints golden_metrics.h: the figures of scikit-learn, and SciPy's Wilson interval, for given probabilities.

    pip install scikit-learn   # 1.9.1 printed the header, with SciPy 1.17.1; nothing else needs them
    python3 golden_metrics.py | clang-format --assume-filename=golden_metrics.h > golden_metrics.h
"""
import random
import warnings

import numpy as np
from scipy.stats import binomtest
from sklearn import metrics

warnings.simplefilter("ignore")  # of figures that are not defined: they are None here
DECIMALS = 2  # of the probabilities, so that there are ties


def binary(rows, label_of, signal, draw):
    """Rows [1 - p, p] of floats and labels; a larger signal separates the classes better."""
    labels = [int(label_of(row)) for row in range(rows)]
    shares = [min(max(round(0.5 + signal * (label - 0.5) + draw.gauss(0, 0.25), DECIMALS), 0), 1)
              for label in labels]
    return [[np.float32(1) - np.float32(p), np.float32(p)] for p in shares], labels


def several(rows, classes, label_of, signal, draw, never=None):
    """`never`: a class that always has probability 0, and so is never predicted."""
    labels = [int(label_of(row)) for row in range(rows)]
    table = []
    for label in labels:
        row = [draw.random() + (signal if index == label else 0) for index in range(classes)]
        if never is not None:
            row[never] = 0
        row = [round(value / sum(row), DECIMALS) for value in row]
        table.append([np.float32(value) for value in row])
    return table, labels


def predicted_of(row):
    return int(row[1] > 0.5) if len(row) == 2 else int(np.argmax(row))


def or_none(call, *arguments, **options):
    try:
        value = float(call(*arguments, **options))
    except ValueError:
        return None
    return None if np.isnan(value) else value


def best_threshold(labels, scores):
    if len(set(labels)) < 2:
        return None, None
    different = sorted({float(score) for score in scores})
    candidates = [0.5 if low <= 0.5 < high else (low + high) / 2
                  for low, high in zip(different, different[1:])]

    def accuracy(value):
        return metrics.balanced_accuracy_score(labels, [float(s) > value for s in scores])

    best = max(accuracy(value) for value in candidates)
    equals = [value for value in candidates if accuracy(value) > best - 1e-12]
    return min(equals, key=lambda value: abs(value - 0.5)), best


def number(value):
    return "std::nullopt" if value is None else repr(float(value))


def numbers(values):
    return "{" + ", ".join(number(value) for value in values) + "}"


def case(name, table, labels):
    classes = len(table[0])
    scores = np.array(table)
    predicted = [predicted_of(row) for row in table]
    everything = dict(labels=range(classes), average=None, zero_division=np.nan)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(labels, predicted, **everything)
    areas = [or_none(metrics.roc_auc_score, [label == index for label in labels],
                     scores[:, 1] if classes == 2 and index == 1 else
                     -scores[:, 1] if classes == 2 else scores[:, index])
             for index in range(classes)]
    defined = [area for area in areas if area is not None]
    correct = sum(a == b for a, b in zip(labels, predicted))
    wilson = binomtest(correct, len(labels)).proportion_ci(0.95, method="wilson")
    threshold, at_threshold = best_threshold(labels, scores[:, 1]) if classes == 2 else (None, None)
    as_none = lambda values: [None if np.isnan(value) else value for value in values]
    print(f"inline constexpr float {name}_probabilities[] = {{")
    print(", ".join(f"{value!s}F" for value in scores.ravel()) + "};")
    print(f"inline constexpr std::uint32_t {name}_labels[] = {{")
    print(", ".join(map(str, labels)) + "};")
    print(f"inline const Case {name} = {{")
    print(f'"{name}", {classes}, {name}_probabilities, {name}_labels,')
    for values in (precision, recall, f1):
        print(numbers(as_none(values)) + ",")
    print(numbers(areas) + ",")
    for value in (
            metrics.accuracy_score(labels, predicted), wilson.low, wilson.high,
            metrics.balanced_accuracy_score(labels, predicted),
            metrics.f1_score(labels, predicted, average="macro"),
            np.bincount(labels).max() / len(labels)):
        print(number(value) + ",")
    print(number(np.mean(defined) if defined else None) + ",")
    print(f"{number(threshold)}, {number(at_threshold)}}};\n")


print("#pragma once")
print("// Printed by golden_metrics.py; do not edit.\n")
print("#include <cstdint>\n#include <optional>\n#include <span>\n#include <vector>\n")
print("namespace graft::golden {\n")
print("""using Figures = std::vector<std::optional<double>>;  // of each class
struct Case {
  const char* name;
  std::size_t classes;
  std::span<const float> probabilities;
  std::span<const std::uint32_t> labels;
  Figures precision, recall, f1, auc;
  double accuracy, wilson_low, wilson_high, balanced_accuracy, macro_f1, baseline;
  std::optional<double> mean_auc, threshold, balanced_accuracy_at_threshold;
};
""")
draw = random.Random(20161)
case("two_classes", *binary(60, lambda row: row % 3 == 0, 0.35, draw))
case("two_classes_well_separated", *binary(30, lambda row: row % 2, 1.5, draw))
case("two_classes_inverted", *binary(24, lambda row: row % 2, -1.2, draw))
case("the_second_class_alone", *binary(12, lambda row: 1, 0.3, draw))
case("one_image", *binary(1, lambda row: 0, 0.3, draw))
case("four_classes", *several(70, 4, lambda row: row * row % 7 % 4, 0.6, draw))
case("a_class_without_images", *several(40, 3, lambda row: row % 2 * 2, 0.4, draw))
case("a_class_never_predicted", *several(40, 3, lambda row: row % 3, 0.4, draw, never=1))
case("neither_images_nor_predictions", *several(40, 4, lambda row: row % 3, 0.4, draw, never=3))
case("one_class_of_three", *several(20, 3, lambda row: 2, 0.4, draw))
print("inline const Case* const cases[] = {&two_classes, &two_classes_well_separated, &two_classes_inverted,"
      "&the_second_class_alone, &one_image, &four_classes, &a_class_without_images, &a_class_never_predicted,"
      "&neither_images_nor_predictions, &one_class_of_three};\n")
print("}  // namespace graft::golden")
