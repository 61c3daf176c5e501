// The curves of a training run: a panel for the loss and one for the accuracy, each with training
// and validation over the epochs and a mark at the best epoch. A value far from the others is clipped
// at the edge, with an arrow and its number, so that the others keep their shape. The template's
// section "panels" draws them. Numbers do not depend on the locale.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/base/error.h"
#include "engine/report/fill.h"
#include "engine/report/report.h"
#include "report_html.h"

namespace graft {
namespace {

// Of the plot in a panel. The template knows them too.
constexpr double left = 52;
constexpr double top = 42;
constexpr double width = 384;
constexpr double height = 240;
constexpr std::size_t most_marked_epochs = 60;  // above, marks would run together

// The smallest of 1, 2, 5 × 10^k (k an integer) that divides `range` into at most `parts` steps.
double nice_step(double range, double parts) {
  const double power = std::pow(10.0, std::floor(std::log10(range / parts)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (range / (factor * power) <= parts * (1.0 + 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

// An axis from a tick to a tick that covers [low, high].
struct Axis {
  double low = 0.0;
  double high = 1.0;
  double step = 0.2;
};

Axis nice_axis(double low, double high) {
  if (high - low < 1e-9 * std::max(1.0, std::abs(high))) {  // constant: leave space on both sides
    const double space = std::max(0.05, 0.1 * std::abs(high));
    low -= space;
    high += space;
  }
  const double step = nice_step(high - low, 6.0);
  return {std::floor(low / step + 1e-9) * step, std::ceil(high / step - 1e-9) * step, step};
}

std::string tick_label(double value, double step) {
  if (std::abs(value) >= 1e5) return fmt::format("{:.3g}", value);
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  return fmt::format("{:.{}f}", std::abs(value) < step / 2 ? 0.0 : value, decimals);
}

// How far an axis must reach: to the largest distance, less outliers. An outlier is more than twice
// as far as nine tenths of the values, and as `least`. Fewer than ten values have none.
double reach_of(std::vector<double> distances, double least) {
  std::sort(distances.begin(), distances.end());
  if (distances.size() < 10) return distances.back();
  const double limit = 2 * std::max(least, distances[(distances.size() - 1) * 9 / 10]);
  return *(std::upper_bound(distances.begin(), distances.end(), limit) - 1);
}

Axis loss_axis(const std::vector<double>& losses) {
  return nice_axis(0.0, std::max(reach_of(losses, 0.01), 1e-3));
}

// Accuracies are shares: the axis ends at 0 and 1.
Axis accuracy_axis(std::vector<double> accuracies) {
  const double highest = *std::max_element(accuracies.begin(), accuracies.end());
  for (double& accuracy : accuracies) accuracy = highest - accuracy;
  Axis axis = nice_axis(highest - reach_of(accuracies, 0.02), highest);
  axis.low = std::max(axis.low, 0.0);
  axis.high = std::min(axis.high, 1.0);
  return axis;
}

class Panel {
 public:
  Panel(const char* name, const History& history, const Axis& axis)
      : history_(history), axis_(axis), best_(best_epoch(history) + 1), values_({{"name", name}}) {
    values_["value_ticks"] = values_["epoch_ticks"] = values_["arrows"] = Json::array();
    const auto count = std::lround((axis.high - axis.low) / axis.step);
    for (long index = 0; index <= count; ++index) {
      const double value = axis.low + static_cast<double>(index) * axis.step;
      values_["value_ticks"].push_back({{"y", y(value)}, {"label", tick_label(value, axis.step)}});
    }
    add_epoch_ticks();
    values_["baseline"] = nullptr;
  }

  void add_series(const char* kind, const char* id, double Epoch::*value) {
    Json points = Json::array(), marks = Json::array();
    for (std::size_t epoch = 1; epoch <= history_.size(); ++epoch) {
      const double number = history_[epoch - 1].*value;
      points.push_back({{"x", x(epoch)}, {"y", y(number)}});
      if (is_outside(number)) {
        values_["arrows"].push_back(place_of(epoch, number));
      } else if (history_.size() <= most_marked_epochs) {
        marks.push_back(points.back());
      }
    }
    values_[kind] = {{"id", id}, {"points", points}, {"marks", marks}};
    values_["best"] = place_of(best_, history_[best_ - 1].*value);
  }

  void add_baseline(double accuracy) { values_["baseline"] = place_of(1, accuracy); }

  const Json& values() const { return values_; }

 private:
  double x(std::size_t epoch) const {  // counted from 1
    if (history_.size() == 1) return left + width / 2;
    return left + width * static_cast<double>(epoch - 1) / static_cast<double>(history_.size() - 1);
  }
  double y(double value) const {
    const double share = (value - axis_.low) / (axis_.high - axis_.low);
    return top + height * (1 - std::clamp(share, 0.0, 1.0));
  }
  bool is_outside(double value) const {
    const double rounding = 1e-9 * axis_.step;
    return value < axis_.low - rounding || value > axis_.high + rounding;
  }
  // In the right half a text ends at its epoch.
  Json place_of(std::size_t epoch, double value) const {
    const bool is_late = 2 * epoch > history_.size() + 1;
    return {{"x", x(epoch)},
            {"y", y(value)},
            {"anchor", is_late ? "end" : "start"},
            {"dx", is_late ? -9 : 9},
            {"is_inside", !is_outside(value)},
            {"is_above", value > axis_.high},
            {"epoch", epoch},
            {"value", value}};
  }
  void add_epoch_ticks() {
    const auto tick = [&](std::size_t epoch) {
      values_["epoch_ticks"].push_back({{"x", x(epoch)}, {"label", epoch}});
    };
    const double range = std::max(1.0, static_cast<double>(history_.size()) - 1.0);
    const auto step = static_cast<std::size_t>(std::max(1.0, nice_step(range, 8.0)));
    tick(1);
    for (std::size_t epoch = step; epoch <= history_.size(); epoch += step) {
      if (epoch > 1 && 2 * (epoch - 1) > step) tick(epoch);
    }
  }

  const History& history_;
  Axis axis_;
  std::size_t best_;
  Json values_;
};

}  // namespace

Json curve_panels(const History& history, double baseline) {
  std::vector<double> losses, accuracies;
  for (const Epoch& epoch : history) {
    losses.insert(losses.end(), {epoch.loss, epoch.val_loss});
    accuracies.insert(accuracies.end(), {epoch.accuracy, epoch.val_accuracy});
  }
  for (const std::vector<double>& values : {losses, accuracies}) {
    if (values.empty() || !std::all_of(values.begin(), values.end(),
                                       [](double value) { return std::isfinite(value); })) {
      throw Error(ErrorKind::usage,
                  "curves need epochs and finite numbers; this history has others");
    }
  }
  Panel loss("Loss", history, loss_axis(losses));
  loss.add_series("training", "loss", &Epoch::loss);
  loss.add_series("validation", "val_loss", &Epoch::val_loss);
  Panel accuracy("Accuracy", history, accuracy_axis(accuracies));
  accuracy.add_series("training", "accuracy", &Epoch::accuracy);
  accuracy.add_series("validation", "val_accuracy", &Epoch::val_accuracy);
  accuracy.add_baseline(baseline);
  return {loss.values(), accuracy.values()};
}

std::string curves_summary(const History& history) {
  const std::size_t best = best_epoch(history);
  return fmt::format("best validation accuracy {:.4f} in epoch {}, {:.4f} in the last ({})",
                     history[best].val_accuracy, best + 1, history.back().val_accuracy,
                     history.size());
}

std::string curves_svg(const History& history, const std::string& title, double baseline) {
  const Json panels = curve_panels(history, baseline);
  const std::string_view panel = section_of(report_html, "panels");
  return fill(section_of(report_html, "curves_svg"), {{"loss", fill(panel, panels[0])},
                                                      {"accuracy", fill(panel, panels[1])},
                                                      {"title", title},
                                                      {"summary", curves_summary(history)}});
}

}  // namespace graft
