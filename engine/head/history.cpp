#include "engine/head/history.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/base/error.h"
#include "engine/base/json.h"

namespace graft {
namespace {

struct Column {
  const char* name;
  double Epoch::*value;
};

constexpr std::array<Column, 4> columns = {{{"loss", &Epoch::loss},
                                            {"accuracy", &Epoch::accuracy},
                                            {"val_loss", &Epoch::val_loss},
                                            {"val_accuracy", &Epoch::val_accuracy}}};

// The shortest digits that read back to the same double, with a point in every locale.
std::string shortest(double value) {
  if (std::isfinite(value)) return fmt::format("{}", value);
  throw Error(ErrorKind::usage, "A history holds finite numbers only; this one has another.");
}

}  // namespace

std::size_t best_epoch(const History& history) {
  if (history.empty()) {
    throw Error(ErrorKind::usage, "A history without epochs has no best epoch.");
  }
  std::size_t best = 0;
  for (std::size_t index = 1; index < history.size(); ++index) {
    const Epoch& candidate = history[index];
    const Epoch& champion = history[best];
    if (candidate.val_accuracy > champion.val_accuracy ||
        (candidate.val_accuracy == champion.val_accuracy &&
         candidate.val_loss < champion.val_loss)) {
      best = index;
    }
  }
  return best;
}

std::string history_csv(const History& history) {
  std::string text = "epoch,loss,accuracy,val_loss,val_accuracy\n";
  for (std::size_t index = 0; index < history.size(); ++index) {
    text += std::to_string(index + 1);
    for (const Column& column : columns) text += ',' + shortest(history[index].*column.value);
    text += '\n';
  }
  return text;
}

std::string history_json(const History& history) {
  std::vector<std::string> lists;
  for (const Column& column : columns) {
    std::vector<std::string> values;
    for (const Epoch& epoch : history) values.push_back(shortest(epoch.*column.value));
    lists.push_back(fmt::format("\"{}\": [{}]", column.name, fmt::join(values, ", ")));
  }
  std::string text = fmt::format("{{\"history\": {{{}}}", fmt::join(lists, ", "));
  if (!history.empty()) {
    const auto lowest = std::ranges::min_element(history, {}, &Epoch::val_loss) - history.begin();
    text += fmt::format(", \"best\": {{\"val_accuracy\": {}, \"val_loss\": {}}}",
                        best_epoch(history) + 1, lowest + 1);
  }
  return text + "}\n";
}

History parse_history_json(std::string_view text) {
  constexpr std::uint64_t largest = std::uint64_t{1} << 26U;
  const Json json =
      read_json(text, "history", {.bytes = largest, .depth = 4, .members = largest}).value;
  const Json& lists = json_member(json, "history");
  History history(json_member(lists, columns.front().name).size());
  for (const Column& column : columns) {
    const auto values = json_at<std::vector<double>>(lists, column.name);
    if (values.size() != history.size()) {
      throw Error(ErrorKind::data, "the lists of a history differ in length");
    }
    for (std::size_t index = 0; index < values.size(); ++index) {
      history[index].*column.value = values[index];
    }
  }
  return history;
}

}  // namespace graft
