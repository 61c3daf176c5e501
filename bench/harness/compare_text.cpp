// A comparison as lines for a terminal and as JSON.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "bench/harness/compare.h"
#include "bench/harness/text_table.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view comparison_schema = "graft-bench-compare/1";
constexpr std::array all_verdicts = {Verdict::faster, Verdict::slower, Verdict::same,
                                     Verdict::ambiguous};

std::size_t count_of(const Comparison& comparison, Verdict verdict) {
  return static_cast<std::size_t>(
      std::count_if(comparison.rows.begin(), comparison.rows.end(),
                    [&](const ComparedRow& row) { return row.verdict == verdict; }));
}

std::string rows_text(const Comparison& comparison) {
  using Align = TextTable::Align;
  TextTable table({{"case", Align::left},
                   {"before"},
                   {"after"},
                   {"ratio"},
                   {percent(comparison.options.bootstrap.confidence, 0) + " interval"},
                   {"verdict", Align::left}});
  for (const ComparedRow& row : comparison.rows) {
    table.row({row.name, time_text(row.before), time_text(row.after),
               fmt::format("{:.3f}", row.ratio),
               fmt::format("{:.3f} to {:.3f}", row.interval.low, row.interval.high),
               std::string(name_of(row.verdict))});
    for (const std::string& remark : row.remarks) table.note(remark);
  }
  return table.text();
}

void append_names(std::string& text, std::string_view title,
                  const std::vector<std::string>& names) {
  if (names.empty()) return;
  text += fmt::format("\n{}\n", title);
  for (const std::string& name : names) text += fmt::format("    {}\n", name);
}

std::string counts_text(const Comparison& comparison) {
  std::vector<std::string> counts;
  for (const Verdict verdict : all_verdicts)
    counts.push_back(fmt::format("{} {}", count_of(comparison, verdict), name_of(verdict)));
  return fmt::format("{}: {} (the same: within {:.2g} %)\n",
                     counted(comparison.rows.size(), "row", "rows"), fmt::join(counts, ", "),
                     100.0 * comparison.options.tolerance);
}

Json of_texts(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push_back(escape_invalid_utf8(text));
  return list;
}

Json of_row(const ComparedRow& row) {
  return {{"name", escape_invalid_utf8(row.name)},
          {"before", row.before},
          {"after", row.after},
          {"ratio", row.ratio},
          {"low", row.interval.low},
          {"high", row.interval.high},
          {"verdict", name_of(row.verdict)},
          {"remarks", of_texts(row.remarks)}};
}

Json of_uncompared(const UncomparedRow& row) {
  return {{"name", escape_invalid_utf8(row.name)},
          {"reason", escape_invalid_utf8(row.reason)},
          {"lost", row.lost}};
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::faster:
      return "faster";
    case Verdict::slower:
      return "slower";
    case Verdict::same:
      return "same";
    case Verdict::ambiguous:
      return "ambiguous";
  }
  return "";
}

std::string comparison_text(const Comparison& comparison) {
  std::string text = fmt::format("before  {}\nafter   {}\n", comparison.before, comparison.after);
  for (const std::string& warning : comparison.warnings)
    text += fmt::format("!       {}\n", warning);
  if (!comparison.rows.empty()) text += fmt::format("\n{}", rows_text(comparison));
  std::vector<std::string> uncompared;
  for (const UncomparedRow& row : comparison.uncompared)
    uncompared.push_back(fmt::format("{}: {}", row.name, row.reason));
  append_names(text, "not compared:", uncompared);
  append_names(text, "only before:", comparison.only_before);
  append_names(text, "only after:", comparison.only_after);
  return fmt::format("{}\n{}", text, counts_text(comparison));
}

std::string comparison_json(const Comparison& comparison) {
  Json json;
  json["schema"] = comparison_schema;
  json["before"] = escape_invalid_utf8(comparison.before);
  json["after"] = escape_invalid_utf8(comparison.after);
  json["tolerance"] = comparison.options.tolerance;
  json["confidence"] = comparison.options.bootstrap.confidence;
  json["warnings"] = of_texts(comparison.warnings);
  for (const Verdict verdict : all_verdicts)
    json["counts"][std::string(name_of(verdict))] = count_of(comparison, verdict);
  json["rows"] = Json::array();
  for (const ComparedRow& row : comparison.rows) json["rows"].push_back(of_row(row));
  json["not_compared"] = Json::array();
  for (const UncomparedRow& row : comparison.uncompared)
    json["not_compared"].push_back(of_uncompared(row));
  json["only_before"] = of_texts(comparison.only_before);
  json["only_after"] = of_texts(comparison.only_after);
  return json.dump(1) + "\n";
}

}  // namespace graft::bench
