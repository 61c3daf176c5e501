// The curves of a training run: a panel for the loss and one for the accuracy, each with training
// and validation over the epochs and a mark at the best epoch. A value far from the others is clipped
// at the edge, with an arrow and its number, so that the others keep their shape. The template draws
// them. Numbers do not depend on the locale.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

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
constexpr double room_of_a_number = 100;        // the first of near arrows has its number beside it
constexpr std::size_t most_marked_epochs = 60;  // above, marks would run together

// The smallest of 1, 2, 5 × 10^k (k an integer) that divides `range` into at most `parts` steps.
double nice_step(double range, double parts) {
  const double power = std::pow(10.0, std::floor(std::log10(range / parts)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (range / (factor * power) <= parts * (1.0 + 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

struct Axis {
  double low = 0.0, high = 0.0;  // both are ticks
  double step = 0.0;
};

Axis nice_axis(double low, double high) {
  const double step = nice_step(high - low, 6.0);
  return {std::floor(low / step + 1e-9) * step, std::ceil(high / step - 1e-9) * step, step};
}

std::string tick_label(double value, double step) {
  if (value >= 1e5) return fmt::format("{:.3g}", value);
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  return fmt::format("{:.{}f}", value, decimals);
}

// How far an axis must reach: to the largest distance, less outliers, and at least `least`. An
// outlier is more than twice as far as nine tenths of the values. Fewer than ten values have none.
double reach_of(std::vector<double> distances, double least) {
  std::ranges::sort(distances);
  const double usual = std::max(least, distances[(distances.size() - 1) * 9 / 10]);
  if (distances.size() >= 10) std::erase_if(distances, [&](double d) { return d > 2 * usual; });
  return std::max(least, distances.back());
}

Axis loss_axis(std::vector<double> losses) {
  return nice_axis(0.0, reach_of(std::move(losses), 0.01));
}

Axis accuracy_axis(std::vector<double> accuracies) {
  const double highest = std::ranges::max(accuracies);
  for (double& accuracy : accuracies) accuracy = highest - accuracy;
  const double low = std::max(0.0, highest - reach_of(std::move(accuracies), 0.02));
  return nice_axis(low, std::max(highest, low + 0.02));
}

// Where the values of a history are in a panel.
struct Scale {
  Axis axis;
  std::size_t epochs = 0;

  double x(std::size_t epoch) const {  // counted from 1
    if (epochs == 1) return left + width / 2;
    return left + width * static_cast<double>(epoch - 1) / static_cast<double>(epochs - 1);
  }
  double y(double value) const {
    const double share = (value - axis.low) / (axis.high - axis.low);
    return top + height * (1 - std::clamp(share, 0.0, 1.0));
  }
  bool is_inside(double value) const {
    const double rounding = 1e-9 * axis.step;
    return value >= axis.low - rounding && value <= axis.high + rounding;
  }
  Json place_of(std::size_t epoch, double value) const {
    return {{"x", x(epoch)},
            {"y", y(value)},
            {"is_late", 2 * epoch > epochs + 1},  // in the right half: a text ends at its epoch
            {"is_inside", is_inside(value)},
            {"is_above", value > axis.high},
            {"epoch", epoch},
            {"value", value}};
  }
};

Json value_ticks(const Scale& scale) {
  Json ticks = Json::array();
  const auto count = std::lround((scale.axis.high - scale.axis.low) / scale.axis.step);
  for (long index = 0; index <= count; ++index) {
    const double value = scale.axis.low + static_cast<double>(index) * scale.axis.step;
    ticks.push_back({{"y", scale.y(value)}, {"label", tick_label(value, scale.axis.step)}});
  }
  return ticks;
}

Json epoch_ticks(const Scale& scale) {
  const double exact_step = nice_step(static_cast<double>(scale.epochs), 8.0);
  const auto step = static_cast<std::size_t>(std::ceil(exact_step));
  Json ticks = Json::array({{{"x", scale.x(1)}, {"label", 1}}});
  for (std::size_t epoch = step; epoch <= scale.epochs; epoch += step) {
    if (2 * (epoch - 1) > step) ticks.push_back({{"x", scale.x(epoch)}, {"label", epoch}});
  }
  return ticks;
}

void add_line(Json& panel, const char* name, const Scale& scale, const History& history,
              double Epoch::*figure) {
  std::string points;
  panel[name]["marks"] = Json::array();
  for (std::size_t epoch = 1; epoch <= history.size(); ++epoch) {
    const double value = history[epoch - 1].*figure;
    points += fmt::format("{:.4f},{:.4f} ", scale.x(epoch), scale.y(value));
    if (!scale.is_inside(value)) {
      Json arrow = scale.place_of(epoch, value);
      arrow["has_room"] = std::ranges::none_of(panel["arrows"], [&](const Json& other) {
        const double distance = arrow["x"].get<double>() - other["x"].get<double>();
        return other["has_room"].get<bool>() && std::abs(distance) < room_of_a_number;
      });
      panel["arrows"].push_back(std::move(arrow));
    } else if (history.size() <= most_marked_epochs) {
      panel[name]["marks"].push_back(scale.place_of(epoch, value));
    }
  }
  panel[name]["points"] = points;
}

Json panel_of(const History& history, Axis (*axis_of)(std::vector<double>), double Epoch::*training,
              double Epoch::*validation, std::optional<double> baseline) {
  const std::size_t best = best_epoch(history);
  std::vector<double> values;
  for (const Epoch& epoch : history)
    values.insert(values.end(), {epoch.*training, epoch.*validation});
  const Scale scale = {axis_of(std::move(values)), history.size()};
  Json panel = {{"is_loss", !baseline},
                {"value_ticks", value_ticks(scale)},
                {"epoch_ticks", epoch_ticks(scale)},
                {"baseline", baseline ? scale.place_of(1, *baseline) : Json(nullptr)},
                {"best", scale.place_of(best + 1, history[best].*validation)},
                {"arrows", Json::array()}};
  add_line(panel, "validation", scale, history, validation);
  add_line(panel, "training", scale, history, training);
  return panel;
}

}  // namespace

Json curve_values(const History& history, double baseline) {
  const std::size_t best = best_epoch(history);
  return {{"panels",
           {panel_of(history, loss_axis, &Epoch::loss, &Epoch::val_loss, std::nullopt),
            panel_of(history, accuracy_axis, &Epoch::accuracy, &Epoch::val_accuracy, baseline)}},
          {"curves_summary",
           fmt::format("best validation accuracy {:.4f} in epoch {}, {:.4f} in the last ({})",
                       history[best].val_accuracy, best + 1, history.back().val_accuracy,
                       history.size())}};
}

std::string curves_svg(const History& history, const std::string& title, double baseline) {
  Json values = curve_values(history, baseline);
  values["is_page"] = false;
  values["title"] = title;
  return fill(report_html, values);
}

}  // namespace graft
