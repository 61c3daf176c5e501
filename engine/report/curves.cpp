// The curves of a training run as SVG: a panel for the loss and one for the accuracy, each with
// training (dashed, hollow marks), validation (solid, filled marks) and the best epoch. It has its
// own background, no outside font or file, and no script. Numbers do not depend on the locale.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/report/report.h"

namespace graft {
namespace {

constexpr double page_width = 960;
constexpr double page_height = 430;
constexpr double plot_top = 104;
constexpr double plot_height = 262;
constexpr double plot_width = 384;
constexpr double plot_bottom = plot_top + plot_height;
constexpr std::size_t most_marked_epochs = 60;  // above, marks would run together

constexpr std::string_view ink = "#1f2328";
constexpr std::string_view faint_ink = "#59636e";
constexpr std::string_view grid_colour = "#e4e8ec";
constexpr std::string_view best_colour = "#8c959f";

struct Style {
  std::string_view colour;
  std::string_view dashes;  // of stroke-dasharray
  std::string_view mark_fill;
  double width;
};
constexpr Style training_style = {"#bc4c00", "6 4", "#ffffff", 1.8};
constexpr Style validation_style = {"#0550ae", "none", "#0550ae", 2.4};

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

  double share(double value) const { return (value - low) / (high - low); }
  std::size_t ticks() const {
    return static_cast<std::size_t>(std::lround((high - low) / step)) + 1;
  }
  double tick(std::size_t index) const { return low + static_cast<double>(index) * step; }
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

Axis loss_axis(double high) {
  return nice_axis(0.0, std::max(high, 1e-3));
}

// Accuracies are shares: the axis ends at 0 and 1.
Axis accuracy_axis(double low, double high) {
  Axis axis = nice_axis(low, high);
  axis.low = std::max(axis.low, 0.0);
  axis.high = std::min(axis.high, 1.0);
  return axis;
}

std::string tick_label(double value, double step) {
  if (std::abs(value) >= 1e5) return fmt::format("{:.3g}", value);
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  return fmt::format("{:.{}f}", std::abs(value) < step / 2 ? 0.0 : value, decimals);
}

// The text inside of an XML element. Control characters, which XML cannot hold, become '?'.
std::string xml_text(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> escapes[] = {
      {"&", "&amp;"}, {"<", "&lt;"}, {"\xEF\xBF\xBE", "?"}, {"\xEF\xBF\xBF", "?"}};
  std::string escaped = printable(escape_invalid_utf8(text));
  for (const auto& [from, to] : escapes) escaped = replace_all(escaped, from, to);
  return escaped;
}

// The first characters of a title that would run into the legend.
std::string shortened(const std::string& title) {
  constexpr std::size_t most_characters = 60;
  std::size_t characters = 0;
  for (std::size_t index = 0; index < title.size(); ++index) {
    const bool begins = (static_cast<unsigned char>(title[index]) & 0xC0U) != 0x80;
    if (begins && ++characters > most_characters) return title.substr(0, index) + "…";
  }
  return title;
}

// One of the two plots: maps epochs and values to the page.
struct Panel {
  double left = 0.0;
  std::size_t epochs = 1;
  Axis axis = {};

  double x(double epoch) const {
    if (epochs == 1) return left + plot_width / 2;
    return left + plot_width * (epoch - 1.0) / (static_cast<double>(epochs) - 1.0);
  }
  double y(double value) const { return plot_bottom - plot_height * axis.share(value); }
};

void draw_text(std::string& svg, double x, double y, std::string_view attributes,
               const std::string& escaped) {
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, attributes, escaped);
}

// `attributes`: others than the stroke's colour, each with a space before it.
void draw_line(std::string& svg, double x1, double y1, double x2, double y2,
               std::string_view colour, std::string_view attributes = "") {
  svg += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{}/>\n", x1, y1,
      x2, y2, colour, attributes);
}

void draw_value_axis(std::string& svg, const Panel& panel) {
  for (std::size_t index = 0; index < panel.axis.ticks(); ++index) {
    const double value = panel.axis.tick(index);
    const double y = panel.y(value);
    draw_line(svg, panel.left, y, panel.left + plot_width, y,
              index == 0 ? best_colour : grid_colour);
    draw_text(svg, panel.left - 10, y + 4, "class=\"tick\" text-anchor=\"end\"",
              tick_label(value, panel.axis.step));
  }
}

void draw_epoch_axis(std::string& svg, const Panel& panel) {
  const auto tick = [&](std::size_t epoch) {
    const double x = panel.x(static_cast<double>(epoch));
    draw_line(svg, x, plot_bottom, x, plot_bottom + 5, best_colour);
    draw_text(svg, x, plot_bottom + 20, "class=\"tick\" text-anchor=\"middle\"",
              fmt::format("{}", epoch));
  };
  const double range = std::max(1.0, static_cast<double>(panel.epochs) - 1.0);
  const auto step = static_cast<std::size_t>(std::max(1.0, nice_step(range, 8.0)));
  tick(1);
  for (std::size_t epoch = step; epoch <= panel.epochs; epoch += step) {
    if (epoch > 1 && 2 * (epoch - 1) > step) tick(epoch);
  }
  draw_text(svg, panel.left + plot_width / 2, plot_bottom + 42,
            "class=\"label\" text-anchor=\"middle\"", "epoch");
}

void draw_best_epoch(std::string& svg, const Panel& panel, std::size_t best) {
  const double x = panel.x(static_cast<double>(best) + 1.0);
  draw_line(svg, x, plot_top, x, plot_bottom, best_colour, " stroke-dasharray=\"2 3\"");
}

void draw_series(std::string& svg, const Panel& panel, const History& history, const char* name,
                 double Epoch::*value, const Style& style) {
  const bool marked = history.size() <= most_marked_epochs;
  std::string points;
  std::string marks;
  for (std::size_t index = 0; index < history.size(); ++index) {
    const double x = panel.x(static_cast<double>(index) + 1.0);
    const double y = panel.y(history[index].*value);
    points += fmt::format("{}{:.2f},{:.2f}", index == 0 ? "" : " ", x, y);
    if (marked) {
      marks += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"2.8\"/>\n", x, y);
    }
  }
  svg += fmt::format(
      "<polyline id=\"{}\" points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" "
      "stroke-dasharray=\"{}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n",
      name, points, style.colour, marked ? style.width : style.width / 2, style.dashes);
  if (marked) {
    svg += fmt::format("<g fill=\"{}\" stroke=\"{}\" stroke-width=\"1.4\">\n{}</g>\n",
                       style.mark_fill, style.colour, marks);
  }
}

void draw_legend(std::string& svg, double x, const Style& style, const char* name) {
  constexpr double y = 38;
  draw_line(svg, x, y, x + 38, y, style.colour,
            fmt::format(" stroke-width=\"{}\" stroke-dasharray=\"{}\"", style.width, style.dashes));
  svg += fmt::format(
      "<circle cx=\"{:.1f}\" cy=\"{}\" r=\"2.8\" fill=\"{}\" stroke=\"{}\" "
      "stroke-width=\"1.4\"/>\n",
      x + 19, y, style.mark_fill, style.colour);
  draw_text(svg, x + 46, y + 4.5, "class=\"label\"", name);
}

void draw_page(std::string& svg, const std::string& title, const std::string& summary) {
  svg += fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" "
      "role=\"img\">\n<title>{2}</title>\n<desc>{3}</desc>\n<style>"
      "text{{font-family:'Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif;fill:{4}}}"
      ".title{{font-size:19px;font-weight:600}}.panel{{font-size:14px;font-weight:600}}"
      ".label{{font-size:13px;fill:{5}}}.tick{{font-size:12px;fill:{5}}}</style>\n"
      "<rect x=\"0.5\" y=\"0.5\" width=\"{6}\" height=\"{7}\" rx=\"8\" fill=\"#ffffff\" "
      "stroke=\"#d1d9e0\"/>\n",
      page_width, page_height, xml_text(title), summary, ink, faint_ink, page_width - 1,
      page_height - 1);
  draw_text(svg, 32, 43, "class=\"title\"", xml_text(shortened(title)));
  draw_text(svg, 32, 66, "class=\"label\"", summary);
  draw_legend(svg, 716, training_style, "training");
  draw_legend(svg, 828, validation_style, "validation");
}

void check_finite(const History& history) {
  for (const Epoch& epoch : history) {
    if (!std::isfinite(epoch.loss) || !std::isfinite(epoch.accuracy) ||
        !std::isfinite(epoch.val_loss) || !std::isfinite(epoch.val_accuracy)) {
      throw Error(ErrorKind::usage, "curves need finite numbers; this history has others");
    }
  }
}

}  // namespace

std::string curves_svg(const History& history, const std::string& title) {
  check_finite(history);
  const std::size_t best = best_epoch(history);
  double highest_loss = 0.0;
  double lowest_accuracy = 1.0;
  double highest_accuracy = 0.0;
  for (const Epoch& epoch : history) {
    highest_loss = std::max({highest_loss, epoch.loss, epoch.val_loss});
    lowest_accuracy = std::min({lowest_accuracy, epoch.accuracy, epoch.val_accuracy});
    highest_accuracy = std::max({highest_accuracy, epoch.accuracy, epoch.val_accuracy});
  }
  const Panel loss = {64, history.size(), loss_axis(highest_loss)};
  const Panel accuracy = {544, history.size(), accuracy_axis(lowest_accuracy, highest_accuracy)};

  std::string svg;
  draw_page(svg, title,
            fmt::format("best validation accuracy {:.4f} in epoch {}, {:.4f} in the last ({})",
                        history[best].val_accuracy, best + 1, history.back().val_accuracy,
                        history.size()));
  for (const Panel* panel : {&loss, &accuracy}) {
    draw_text(svg, panel->left, plot_top - 12, "class=\"panel\"",
              panel == &loss ? "Loss" : "Accuracy");
    draw_value_axis(svg, *panel);
    draw_epoch_axis(svg, *panel);
    draw_best_epoch(svg, *panel, best);
  }
  draw_series(svg, loss, history, "loss", &Epoch::loss, training_style);
  draw_series(svg, loss, history, "val_loss", &Epoch::val_loss, validation_style);
  draw_series(svg, accuracy, history, "accuracy", &Epoch::accuracy, training_style);
  draw_series(svg, accuracy, history, "val_accuracy", &Epoch::val_accuracy, validation_style);
  return svg + "</svg>\n";
}

}  // namespace graft
