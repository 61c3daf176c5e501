#include "tools/graft/commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/config/keys.h"
#include "tools/graft/help.h"
#include "tools/graft/standard_output.h"

namespace graft::program {
namespace {

using Command = std::function<void(const Request&)>;

// The commands and options of the program. Parsing fills in the request.
class CommandLine {
 public:
  CommandLine() {
    app_.name("graft");
    app_.require_subcommand(1);
    app_.footer(std::string(help::program));
    app_.set_help_flag("-h,--help", "Print this help");
    app_.add_flag("--version", version_, "Print the version, the build and the vector unit");
    add_job_commands();
    add_predict();
    add_export();
    add_plan();
    add_weights();
    add_config();
  }

  void run(int argument_count, char** arguments) {
    std::vector<std::string> words(arguments + std::min(argument_count, 1),
                                   arguments + argument_count);
    if (words.empty()) words.emplace_back("--help");
    if (words.front() == "help") {  // `graft help run` is `graft run --help`
      words.erase(words.begin());
      words.emplace_back("--help");
    }
    refuse_unknown_command(words);
    try {
      app_.parse(std::vector<std::string>(words.rbegin(),
                                          words.rend()));  // CLI11 takes them from the back
    } catch (const CLI::CallForHelp&) {
      return print_result(app_.help());
    } catch (const CLI::ParseError& error) {
      if (version_) return print_result(version_text());
      refuse(error);
    }
    command_(request_);
  }

 private:
  // CLI11 would only say that a command is required.
  void refuse_unknown_command(const std::vector<std::string>& words) const {
    const CLI::App* parent = &app_;
    std::string path;  // the words so far, for the message
    for (const std::string& word : words) {
      std::vector<std::string> names;
      const std::vector<const CLI::App*> commands = parent->get_subcommands({});
      for (const CLI::App* command : commands) names.push_back(command->get_name());
      if (names.empty() || word.starts_with('-')) return;
      path += (path.empty() ? "" : " ") + printable(word, 100);
      const auto found = std::ranges::find(names, word);
      if (found == names.end()) {
        const auto meant = nearest(word, names);
        throw Error(ErrorKind::usage, "{}: no such command; {}", path,
                    meant ? fmt::format("did you mean \"{}\"?", *meant)
                          : fmt::format("there are {}", fmt::join(names, ", ")));
      }
      parent = commands[static_cast<std::size_t>(found - names.begin())];
    }
  }

  [[noreturn]] void refuse(const CLI::ParseError& error) const {
    std::string command = "graft";
    for (const CLI::App* app = &app_; !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      command += ' ' + app->get_name();
    }
    // Some of CLI11's messages have several lines.
    std::string sentence = error.what();
    std::replace(sentence.begin(), sentence.end(), '\n', ' ');
    throw Error(ErrorKind::usage, "{} (see `{} --help`)", printable(sentence, 400), command);
  }

  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& summary,
                std::string_view footer, const Command& command) {
    CLI::App* added = parent.add_subcommand(name, summary);
    added->footer(std::string(footer));
    if (command) added->final_callback([this, command] { command_ = command; });
    return added;
  }

  // A command that takes CONFIG and what overrides it.
  CLI::App* add_with_config(CLI::App& parent, const std::string& name, const std::string& summary,
                            std::string_view footer, const Command& function) {
    CLI::App* command = add(parent, name, summary, footer, function);
    command
        ->add_option("CONFIG", request_.config,
                     "Config file, output folder of an earlier run, or folder of photos")
        ->required();
    add_setting(command, "--set", "KEY=VALUE", "Override a key of the config; may be repeated",
                [](const std::string& text) { return parse_setting(text); });
    for (const std::string key : {"device", "threads", "output"}) {
      const std::string option = "--" + key;
      add_setting(command, option, "VALUE", fmt::format("Short for --set {}=VALUE", key),
                  [option, key](const std::string& text) {
                    return Setting{option, key, text};
                  });
    }
    command->add_flag("-q,--quiet", request_.quiet,
                      "No progress and no notes, only warnings, errors and results");
    return command;
  }

  template <typename Value>
  static CLI::Option* add_value(CLI::App* command, const std::string& option, Value& value,
                                const std::string& type, const std::string& summary) {
    return command->add_option(option, value, summary)->option_text(type);
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
        ->allow_extra_args(false);  // else CONFIG would be taken for a second value
  }

  void add_job_commands() {
    CLI::App* run =
        add_with_config(app_, "run", "Extract, train, evaluate and report: the complete recipe",
                        help::run, run_command);
    add_tracing(run);
    add_verify(run);
    run->add_flag("--json", request_.json, "Print the evaluation as JSON, not as a table");
    CLI::App* extract =
        add_with_config(app_, "extract", "Compute the bottleneck features of all images",
                        help::extract, extract_command);
    add_tracing(extract);
    add_verify(extract);
    add_value(extract, "--shard", request_.shard, "I/N",
              "Extract the part I of N of the photos (I from 0); auto: as SLURM or MPI says");
    CLI::App* train =
        add_with_config(app_, "train", "Train and evaluate the classifier on extracted features",
                        help::train, train_command);
    train->add_flag("--json", request_.json, "Print the evaluation as JSON, not as a table");
    CLI::App* folds =
        add_with_config(app_, "crossvalidate", "Measure a config on folds of all its images",
                        help::crossvalidate, crossvalidate_command);
    add_verify(folds);
    folds->add_option("--folds", request_.folds, "Parts of the images, each judged once (5)")
        ->check(CLI::Range(2, 1000));
    folds
        ->add_option("--seeds", request_.seeds,
                     "Trainings of each fold (1), with seed, seed + 1, …")
        ->check(CLI::Range(1, 1000));
    folds->add_flag("--json", request_.json, "Print JSON, not a table");
    CLI::App* evaluate =
        add_with_config(app_, "evaluate", "Measure the trained classifier, and show its mistakes",
                        help::evaluate, evaluate_command);
    add_best(evaluate);
    evaluate->add_flag("--json", request_.json, "Print JSON, not a table");
    add_value(evaluate, "-o,--output-file", request_.output_file, "FILE",
              "Also write the JSON into this file");
  }

  void add_tracing(CLI::App* command) {
    add_value(
        command, "--trace", request_.trace, "FILE",
        "Write a timeline of the threads and the GPU, for chrome://tracing or ui.perfetto.dev");
    add_value(
        command, "--profile", request_.profile, "RANGE",
        "Start and stop the GPU's profiler around a range: epoch:2, epoch:2-4, batches:10-20");
    command->add_flag("--nvtx", request_.nvtx,
                      "Mark stages, layers and kernels with NVTX even if no tool asks for it");
  }

  void add_verify(CLI::App* command) {
    command->add_flag("--verify", request_.verify,
                      "Read all photos, also those that shards have read and that look unchanged");
  }

  void add_best(CLI::App* command) {
    command->add_flag("--best", request_.best,
                      "Use the best epoch (head_best.safetensors), not the last");
  }

  void add_predict() {
    CLI::App* predict =
        add_with_config(app_, "predict", "Classify images: CSV or JSON on standard output",
                        help::predict, predict_command);
    predict
        ->add_option("IMAGES", request_.inputs,
                     "Image files, and folders of them; - reads paths from standard input")
        ->required();
    predict->add_flag("-0,--null", request_.null_separated,
                      "With -: paths are separated by NUL, not by line breaks");
    predict->add_flag("--json", request_.json, "Print JSON, an object a line, not CSV");
    CLI::Option* top = add_value(predict, "--top", request_.top, "K",
                                 "Print the K most probable classes, the highest first");
    top->check(CLI::Range(1, 1'000'000));
    add_value(predict, "--threshold", request_.threshold, "T",
              "Of two classes, take the second when its probability is above T (0 to 1)")
        ->excludes(top);
    add_best(predict);
  }

  void add_export() {
    CLI::App* exported =
        add_with_config(app_, "export", "Write the classifier for ONNX Runtime or Keras",
                        help::export_model, export_command);
    add_value(exported, "-o,--output-file", request_.output_file, "FILE",
              "The file to write: .onnx (a complete model) or .h5 (the head for Keras)")
        ->required();
    exported->add_flag("--half", request_.half, "Store the kernels as fp16 (.onnx)");
    exported->add_flag("--head-only", request_.head_only,
                       "Only the head: it takes rows of features, not images (.onnx)");
    add_best(exported);
  }

  void add_plan() {
    CLI::App* plan = add_with_config(
        app_, "plan", "Forecast a config on a GPU that need not be here", help::plan, plan_command);
    add_value(plan, "--gpu", request_.gpu, "NAME", "A GPU by name, such as \"RTX 4090\"");
    add_value(plan, "--arch", request_.architecture, "sm_NN",
              "An architecture, such as sm_90: a common GPU of it");
    add_value(plan, "--memory", request_.memory, "SIZE",
              "Device memory instead of the GPU's: 24GiB, 8192MiB");
    plan->add_flag("--json", request_.json, "Print JSON, not a table");
  }

  void add_weights() {
    CLI::App* weights =
        add(app_, "weights", "Import and show weights files", help::weights_import, {});
    weights->require_subcommand(1);
    CLI::App* import = add(*weights, "import", "Convert VGG16 weights to safetensors, once",
                           help::weights_import, import_weights_command);
    import->add_option("FILE", request_.inputs, "A .h5, .onnx or .safetensors file")
        ->required()
        ->expected(1);
    import->add_option("-o,--output", request_.output_file, "The .safetensors file to write")
        ->required();
    CLI::App* show = add(*weights, "show", "List the contents of a weights file",
                         help::weights_show, show_weights_command);
    show->add_option("FILE", request_.inputs, "A .h5, .onnx or .safetensors file")
        ->required()
        ->expected(1);
  }

  void add_config() {
    CLI::App* config =
        add(app_, "config", "Check and explain config files", help::config_check, {});
    config->require_subcommand(1);
    add_with_config(*config, "check", "Check a config, and print it with every key",
                    help::config_check, check_config_command);
    CLI::App* explain = add(*config, "explain", "Explain each key of a config",
                            help::config_explain, explain_config_command);
    explain->add_option("KEY", request_.key, "A key or a section; without it, all of them");
    explain->add_flag("--markdown", request_.markdown, "Print the page configs/README.md");
    add(*config, "schema", "Print the JSON Schema of a config, for editors", help::config_schema,
        [](const Request&) { print_result(config_schema()); });
  }

  CLI::App app_{
      "Grafts a new classifier onto a frozen VGG16: folders of photos in, a trained head out."};
  Request request_;
  Command command_;
  bool version_ = false;
};

}  // namespace

void run_program(int argument_count, char** arguments) {
  CommandLine().run(argument_count, arguments);
}

}  // namespace graft::program
