#include "bench/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <regex>
#include <string_view>

#include "bench/harness/statistics.h"
#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

constexpr const char* footer = R"(Suites:
  kernels    each hand-written kernel over a sweep of sizes
  layers     the 13 convolutions, by each algorithm of a CPU or each cuDNN engine
  backbone   the frozen network, from images to features in memory
  head       the classifier: training steps, evaluation, prediction
  pipeline   photos on disk to features on disk, with each stage's share; decoding and resizing
  all        all of these

Examples:
  graft-bench kernels --filter relu
  graft-bench layers --device cuda --batch 1,32 --size 150,224 --precision fp32,fp16
  graft-bench all configs/solar_cells.json --json after.json

CONFIG is optional. Without photos (data.train) they are generated; without a weights file the
weights are random, which takes the same time.

--json FILE keeps every sample, the device, its driver and clocks, the build and the config. It is
written during the run and at the end, so that Ctrl-C keeps the results so far. bench/compare.py and
bench/plot.py read it.

Exit codes: 0 success, 2 wrong arguments or config, 3 data, 4 weights, 5 the device, or a case
failed, 6 a file, 130 interrupted (results so far are saved).)";

// "150", or "480x640": height first.
ImageSize parse_size(const std::string& text) {
  ImageSize size;
  const std::size_t cross = std::min(text.find('x'), text.size());
  const auto parse = [&text](std::size_t begin, std::size_t end, std::uint32_t& side) {
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, side);
    if (error != std::errc() || stop != text.data() + end || side < 32 || side > 4096)
      throw CLI::ValidationError("--size",
                                 fmt::format("expected 32 to 4096, or HEIGHTxWIDTH, got {}", text));
  };
  parse(0, cross, size.height);
  size.width = size.height;
  if (cross < text.size()) parse(cross + 1, text.size(), size.width);
  return size;
}

[[noreturn]] void refuse(std::string sentence) {
  std::replace(sentence.begin(), sentence.end(), '\n', ' ');  // CLI11's can have several lines
  throw Error(ErrorKind::usage,
              fmt::format("{} (see `graft-bench --help`)", printable(sentence, 400)));
}

// std::regex is recursive: the limit protects the stack.
void check_filter(const std::string& filter) try {
  constexpr std::size_t longest = 500;
  if (filter.size() > longest) refuse(fmt::format("--filter: expected at most {} bytes", longest));
  const std::regex compiled(filter);
} catch (const std::regex_error& error) {
  refuse(fmt::format("--filter: this is no regular expression ({})", error.what()));
}

void add_overrides(CLI::App& app, std::vector<Setting>& overrides) {
  for (const auto& [name, summary] : {std::pair{"device", "cpu, cuda, cuda:N, cuda:local or auto"},
                                      std::pair{"threads", "Threads of the CPU; 0: all"}}) {
    const std::string key = name, option = "--" + key;
    app.add_option_function<std::string>(
           option,
           [&overrides, key, option](const std::string& value) {
             overrides.push_back({option, key, value});
           },
           summary)
        ->option_text("VALUE");
  }
  app.add_option_function<std::vector<std::string>>(
         "--set",
         [&overrides](const std::vector<std::string>& settings) {
           for (const std::string& one : settings) overrides.push_back(parse_setting(one));
         },
         "Override a key of the config; may be repeated")
      ->option_text("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
}

void add_axes(CLI::App& app, Axes& axes) {
  const auto list = [](CLI::Option* option) {
    return option->option_text("LIST")->delimiter(',')->allow_extra_args(false);
  };
  using Texts = std::vector<std::string>;
  list(app.add_option("--batch", axes.batches, "Batch sizes: 1,8,32,128"))
      ->check(CLI::Range(1, 1024));
  list(app.add_option_function<Texts>(
      "--size",
      [&axes](const Texts& texts) {
        axes.sizes.clear();
        for (const std::string& text : texts) axes.sizes.push_back(parse_size(text));
      },
      "Image sizes: 150,224 or 480x640 (height first)"));
  list(app.add_option_function<Texts>(
           "--precision",
           [&axes](const Texts& names) {
             axes.precisions.clear();
             for (const std::string& name : names)
               axes.precisions.push_back(enum_named<Precision>(name).value());
           },
           "Arithmetic of the backbone: fp32,fp16"))
      ->check(CLI::IsMember({"fp32", "tf32", "fp16", "bf16"}));
}

void add_method(CLI::App& app, Method& method) {
  app.add_flag_callback(
      "--hot", [&method] { method.cache = CacheState::hot; },
      "Do not flush the caches between samples");
  app.add_option("--noise", method.noise, "Stop at this noise: 0.005")->option_text("SHARE");
  app.add_option("--samples", method.least_samples, "Least samples of a case: 20")
      ->option_text("N");
  app.add_option_function<double>(
         "--seconds",
         [&method](double seconds) {
           method.seconds = seconds;
           method.warm_up_seconds = std::min(method.warm_up_seconds, std::max(seconds, 0.0));
         },
         "Time limit of a case: 5")
      ->option_text("S");
}

}  // namespace

Options parse_options(int argument_count, char** arguments) {
  Options options;
  CLI::App app("Measures the kernels and the network of graft on this machine.", "graft-bench");
  app.footer(footer);
  app.set_help_flag("-h,--help", "Print this help");
  app.option_defaults()->take_last();  // of repeated options
  app.add_option("SUITE", options.suite, "kernels, layers, backbone, head, pipeline or all")
      ->required()
      ->option_text(" ")
      ->check(CLI::IsMember({"kernels", "layers", "backbone", "head", "pipeline", "all"}));
  app.add_option("CONFIG", options.config, "Config file, or the output folder of a run")
      ->option_text(" ");
  add_overrides(app, options.overrides);
  add_axes(app, options.axes);
  app.add_option("--isa", options.isa, "Instructions of a CPU: best, portable, avx2, avx512")
      ->option_text("NAME")
      ->check(CLI::IsMember({"best", "portable", "avx2", "avx512"}));
  app.add_option("--filter", options.filter, "Only cases whose name contains it")
      ->option_text("REGEX");
  add_method(app, options.method);
  app.add_flag("--list", options.list, "Print the cases and measure nothing");
  app.add_option("--json", options.json_file, "Save the result, with every sample")
      ->option_text("FILE");
  app.add_flag("-q,--quiet", options.quiet, "No progress and no notes");
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::CallForHelp&) {
    options.help = app.help();
  } catch (const CLI::ParseError& error) {
    refuse(error.what());
  }
  check_method(options.method);
  check_filter(options.filter);
  return options;
}

}  // namespace graft::bench
