#include "tools/graft/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "tools/graft/commands.h"
#include "tools/graft/help.h"
#include "tools/graft/list_option.h"
#include "tools/graft/standard_output.h"

namespace graft::program {
namespace {

using Command = std::function<int(const Request&)>;

// The commands of the program, and the request that parsing fills in.
class CommandLine {
 public:
  CommandLine() {
    app_.name("graft");
    app_.require_subcommand(1);
    app_.footer(std::string(help::program));
    app_.set_help_flag("-h,--help", "Print this help");
    app_.add_flag("--version", version_, "Print the version, and what this build and machine have");
    add_job_commands();
    add_predict();
    add_plan();
    add_bench();
    add_weights();
    add_config();
  }

  int run(int argument_count, char** arguments) {
    refuse_unknown_command(argument_count, arguments);
    try {
      app_.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp&) {
      return print(app_.help());
    } catch (const CLI::ParseError& error) {
      if (version_) return print(version_text());
      refuse(error);
    }
    return command_(request_);
  }

 private:
  static int print(const std::string& text) {
    write_result(text);
    flush_results();
    return 0;
  }

  // CLI11 would say only that a command is needed.
  void refuse_unknown_command(int argument_count, char** arguments) const {
    if (argument_count < 2) throw Error(ErrorKind::usage, "say what to do; `graft --help` teaches");
    const CLI::App* parent = &app_;
    std::string said;
    for (int i = 1; i < argument_count && parent != nullptr; ++i) {
      said += (i > 1 ? " " : "") + printable(arguments[i], 100);
      parent = command_named(arguments[i], *parent, said);
    }
  }

  // Null where no command has to follow. `said`: the words so far, for the sentence.
  static const CLI::App* command_named(const std::string& word, const CLI::App& parent,
                                       const std::string& said) {
    std::vector<std::string> names;
    for (const CLI::App* command : parent.get_subcommands({})) {
      if (command->get_name() == word) return command;
      names.push_back(command->get_name());
    }
    if (names.empty() || word.starts_with('-')) return nullptr;
    const auto meant = nearest(word, names);
    throw Error(ErrorKind::usage,
                fmt::format("{}: no such command; {}", said,
                            meant ? fmt::format("did you mean \"{}\"?", *meant)
                                  : fmt::format("there are {}", fmt::join(names, ", "))));
  }

  [[noreturn]] void refuse(const CLI::ParseError& error) const {
    std::string command = "graft";
    for (const CLI::App* app = &app_; !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      command += ' ' + app->get_name();
    }
    // Some of CLI11's sentences have several lines.
    std::string sentence = error.what();
    std::replace(sentence.begin(), sentence.end(), '\n', ' ');
    throw Error(ErrorKind::usage,
                fmt::format("{} (see `{} --help`)", printable(sentence, 400), command));
  }

  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& summary,
                std::string_view footer, const Command& command) {
    CLI::App* added = parent.add_subcommand(name, summary);
    added->footer(std::string(footer));
    if (command) added->final_callback([this, command] { command_ = command; });
    return added;
  }

  // CONFIG and what overrides it.
  void add_config_options(CLI::App* command) {
    command
        ->add_option("CONFIG", request_.config,
                     "Config file, or the output folder of an earlier run")
        ->required();
    add_settings(command, {"device", "threads", "output"});
  }

  void add_settings(CLI::App* command, const std::vector<std::string>& top_keys) {
    add_setting(command, "--set", "KEY=VALUE", "Override a key of the config; may be repeated",
                [](const std::string& text) { return parse_setting(text); });
    for (const std::string& key : top_keys) {
      const std::string option = fmt::format("--{}", key);
      add_setting(command, option, "VALUE", fmt::format("Short for --set {}=VALUE", key),
                  [option, key](const std::string& text) {
                    return Setting{option, key, text};
                  });
    }
    command->add_flag("-q,--quiet", request_.quiet,
                      "No progress and no notes: warnings, errors and results");
  }

  void add_setting(CLI::App* command, const std::string& option, const std::string& type,
                   const std::string& summary,
                   const std::function<Setting(const std::string&)>& setting) {
    command
        ->add_option_function<std::vector<std::string>>(
            option,
            [this, setting](const std::vector<std::string>& values) {
              for (const std::string& value : values) request_.settings.push_back(setting(value));
            },
            summary)
        ->option_text(type)
        ->take_all()
        ->allow_extra_args(false);  // else it would take CONFIG for a second value
  }

  void add_job_commands() {
    CLI::App* run = add(app_, "run", "Extract, train, evaluate and report: the whole recipe",
                        help::run, run_command);
    add_config_options(run);
    add_listeners(run);
    run->add_flag("--json", request_.json, "Print the evaluation as JSON, not as a table");
    CLI::App* extract = add(app_, "extract", "Compute the bottleneck features of all images",
                            help::extract, extract_command);
    add_config_options(extract);
    add_listeners(extract);
    add_config_options(add(app_, "train", "Train the classifier on features that are there",
                           help::train, train_command));
    CLI::App* evaluate =
        add(app_, "evaluate", "Say how good the trained classifier is, and where it errs",
            help::evaluate, evaluate_command);
    add_config_options(evaluate);
    add_best(evaluate);
    evaluate->add_flag("--json", request_.json, "Print JSON, not a table");
  }

  void add_listeners(CLI::App* command) {
    command
        ->add_option("--trace", request_.trace,
                     "Write what each thread and the GPU did when, for chrome://tracing or "
                     "ui.perfetto.dev")
        ->option_text("FILE");
    command
        ->add_option("--profile", request_.profile,
                     "Start and stop the GPU's profiler around a part: epoch:2, epoch:2-4, "
                     "batches:10-20")
        ->option_text("RANGE");
    command->add_flag("--nvtx", request_.nvtx,
                      "Mark stages, layers and kernels with NVTX, also where no tool asks for it");
  }

  void add_best(CLI::App* command) {
    command->add_flag("--best", request_.best,
                      "Take the best epoch (head_best.safetensors), not the last");
  }

  void add_predict() {
    CLI::App* predict = add(app_, "predict", "Classify images: CSV or JSON on standard output",
                            help::predict, predict_command);
    add_config_options(predict);
    predict->add_option("IMAGES", request_.inputs, "Image files, and folders of them")->required();
    predict
        ->add_option_function<std::string>(
            "--format",
            [this](const std::string& name) {
              request_.format = name == "csv" ? PredictionFormat::csv : PredictionFormat::json;
            },
            "csv (the default), or json: one object a line")
        ->check(CLI::IsMember({"csv", "json"}));
    add_best(predict);
  }

  void add_plan() {
    CLI::App* plan = add(app_, "plan", "Say what a GPU would do with a config, without one",
                         help::plan, plan_command);
    add_config_options(plan);
    plan->add_option("--gpu", request_.gpu, "A GPU by name, such as \"RTX 4090\"")
        ->option_text("NAME");
    plan->add_option("--arch", request_.architecture,
                     "An architecture, such as sm_90: a usual GPU of it")
        ->option_text("sm_NN");
    plan->add_option("--memory", request_.memory, "Device memory to count with: 24GiB, 8192MiB")
        ->option_text("SIZE");
    plan->add_flag("--json", request_.json, "Print JSON, not a table");
  }

  void add_bench() {
    CLI::App* bench =
        add(app_, "bench", "Measure this program on this machine, and compare", help::bench, {});
    bench->require_subcommand(1);
    for (const auto& [suite, summary] : {
             std::pair{"kernels", "Each hand-written kernel over a ladder of sizes"},
             std::pair{"layers", "The 13 convolutions, by each way to compute them"},
             std::pair{"backbone", "The frozen network, from images to features in memory"},
             std::pair{"head", "The classifier: training steps, evaluation, prediction"},
             std::pair{"pipeline", "Photos on disk to features on disk, with each stage's share"},
             std::pair{"all", "All of these"},
         })
      add_suite(*bench, suite, summary);
    add_bench_files(*bench);
  }

  void add_suite(CLI::App& bench, const std::string& suite, const std::string& summary) {
    CLI::App* command = add(bench, suite, summary, help::bench_suite, [suite](const Request& made) {
      Request request = made;
      request.suite = suite;
      return bench_command(request);
    });
    command->add_option("CONFIG", request_.config,
                        "Config file; its \"bench\" block says what, else the defaults do");
    add_settings(command, {"device", "threads"});
    for (const auto& [name, summary_of_list] : {
             std::pair{"precision", "Arithmetic of the backbone: fp32,fp16"},
             std::pair{"batch", "Batches: 1,8,32,128"},
             std::pair{"size", "Sizes of images: 150,224 or 480x640, height first"},
         })
      add_bench_setting(command, name, "LIST", summary_of_list, as_json_list);
    const auto as_it_is = [](std::string_view value) { return std::string(value); };
    const auto number = [](std::string_view value) {  // JSON has no .5
      return (value.starts_with('.') ? "0" : "") + std::string(value);
    };
    add_bench_setting(command, "filter", "REGEX", "Only cases whose name it is found in", as_it_is);
    add_bench_setting(command, "noise", "SHARE", "Noise to stop at: .005", number);
    add_bench_setting(command, "samples", "N", "Least samples of a case", as_it_is);
    add_bench_setting(command, "seconds", "S", "Most seconds of a case", number);
    add_bench_setting(command, "isa", "NAME", "A CPU's vector unit", as_it_is);
    command->add_flag_callback(
        "--hot",
        [this] {
          request_.settings.push_back({"--hot", "bench.cache", "hot"});
        },
        "Leave the caches as they are between samples");
    command->add_flag("--list", request_.list, "Print the cases' names and measure nothing");
    command->add_option("--json", request_.json_file, "Keep the result, with every sample")
        ->option_text("FILE");
    command->add_option("--csv", request_.csv_file, "Keep a row for each case")
        ->option_text("FILE");
  }

  // --batch 1,8 is short for --set bench.batch=[1,8].
  void add_bench_setting(CLI::App* command, const std::string& name, const std::string& type,
                         const std::string& summary,
                         const std::function<std::string(std::string_view)>& value_of) {
    const std::string option = "--" + name;
    add_setting(command, option, type, summary, [option, name, value_of](const std::string& text) {
      return Setting{option, "bench." + name, value_of(text)};
    });
  }

  void add_bench_files(CLI::App& bench) {
    CLI::App* compare = add(bench, "compare", "Say which cases became faster or slower",
                            help::bench_compare, bench_compare_command);
    compare->add_option("FILES", request_.inputs, "Two results: before and after")
        ->required()
        ->expected(2);
    compare
        ->add_option("--fail-on", request_.fail_on,
                     "Exit with 7 where a case is slower by more: slower:5%")
        ->option_text("RULE");
    compare->add_flag("--json", request_.json, "Print JSON, not a table");
    CLI::App* plot = add(bench, "plot", "Draw results: a roofline, and bars", help::bench_plot,
                         bench_plot_command);
    plot->add_option("FILES", request_.inputs, "Results of `graft bench … --json`")->required();
    plot->add_option("-o,--output", request_.output_file, "The .svg file to write")->required();
  }

  void add_weights() {
    CLI::App* weights = add(app_, "weights", "Import and show files of weights", help::weights, {});
    weights->require_subcommand(1);
    CLI::App* import = add(*weights, "import", "Convert VGG16 weights to safetensors, once",
                           help::weights_import, import_weights_command);
    import->add_option("FILE", request_.inputs, "A .h5, .onnx or .safetensors file")
        ->required()
        ->expected(1);
    import->add_option("-o,--output", request_.output_file, "The .safetensors file to write")
        ->required();
    CLI::App* show = add(*weights, "show", "List what a file of weights holds", help::weights_show,
                         show_weights_command);
    show->add_option("FILE", request_.inputs, "A .h5, .onnx or .safetensors file")
        ->required()
        ->expected(1);
  }

  void add_config() {
    CLI::App* config = add(app_, "config", "Check and explain config files", help::config, {});
    config->require_subcommand(1);
    CLI::App* check = add(*config, "check", "Check a config, and print it with every key",
                          help::config_check, check_config_command);
    add_config_options(check);
    CLI::App* explain = add(*config, "explain", "Say what each key of a config means",
                            help::config_explain, explain_config_command);
    explain->add_option("KEY", request_.key, "A key or a section; without it, all of them");
    explain->add_flag("--markdown", request_.markdown, "Print the page configs/README.md");
  }

  CLI::App app_{
      "Grafts a new classifier onto a frozen VGG16: folders of photos in, a trained head out."};
  Request request_;
  Command command_;
  bool version_ = false;
};

}  // namespace

int run_program(int argument_count, char** arguments) {
  CommandLine command_line;
  return command_line.run(argument_count, arguments);
}

}  // namespace graft::program
