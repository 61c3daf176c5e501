#pragma once
// What --help says below the list of options: an example, the outputs, the exit codes.

#include <string_view>

namespace graft::program::help {

inline constexpr std::string_view program = R"(Start here:
  graft config explain                    what a config may say
  graft run configs/solar_cells.json      the whole recipe, from photos to curves
  graft predict runs/solar_cells photo.jpg

Results go to standard output; progress, notes and errors to standard error.
Killed or interrupted at any moment, the same command goes on where it was.

Exit codes:
  0    all is well
  1    a fault of this program: please report it
  2    a wrong config or wrong arguments
  3    data: images, folders or labels
  4    a file of weights
  5    the device: none such, it failed, or memory ran out
  6    a file could not be read or written; a full disk; a folder in use
  130  interrupted (Ctrl-C, SIGTERM); what was finished is saved

`graft COMMAND --help` says more about each.)";

inline constexpr std::string_view run = R"(Example:
  graft run configs/solar_cells.json --set train.epochs=5 --output runs/short

Writes into the config's `output` folder:
  features/{train,validation}.npy           what the backbone sees: N × height × width × 512 floats
  features/*.labels.npy, *.files.json       class, file and digest of each row
  head.safetensors, head_best.safetensors   the classifier after the last and after the best epoch
  history.csv, history.json, curves.svg     loss and accuracy of each epoch
  evaluation.json, classes.json             what is right and wrong, and the names of the classes
  config.json, run.log                      the config with every key; what happened and when
Prints the evaluation. A second run computes only what has changed.

--trace, --nvtx and --profile: see `graft extract --help`; here also --profile epoch:2-4 (from 1).)";

inline constexpr std::string_view extract = R"(Example:
  graft extract configs/solar_cells.json

Writes features/*.npy, *.labels.npy and *.files.json into the config's `output` folder, and
config.json, classes.json and run.log. Rows whose image, weights and preprocessing are unchanged are
taken from what is there.

--trace FILE shows a row for each thread: each photo that is read, decoded and resized, each batch and
each layer in the backbone, each write, and who waited for whom; how many batches wait for the backbone
and for the writer; and on a GPU a row for each stream of the backbone and for the head's, with each
kernel and copy, its layer, and the bytes that it promises to move. With --trace and NVTX the backbone
runs without CUDA graphs, so that its kernels can be seen.

NVTX is on with --nvtx, and where nsys or ncu asks for it (NVTX_INJECTION64_PATH in the environment).
--profile batches:10-20 (counted from 0) is for `nsys profile --capture-range cudaProfilerApi` and
`ncu --profile-from-start off`: tools/profile.sh calls them so, and sums up what they find.)";

inline constexpr std::string_view train = R"(Example:
  graft train configs/solar_cells.json --set head.hidden=[512,128] --set train.epochs=40

Reads features/ in the config's `output` folder (`graft extract` makes it) and writes there
head.safetensors, head_best.safetensors, history.csv, history.json, curves.svg, config.json, run.log.)";

inline constexpr std::string_view evaluate = R"(Example:
  graft evaluate runs/solar_cells --best

Prints accuracy, the confusion matrix and the surest mistakes on the validation images, and writes
evaluation.json, or evaluation_best.json with --best.)";

inline constexpr std::string_view predict = R"(Examples:
  graft predict runs/solar_cells photos/ > predictions.csv
  graft predict runs/solar_cells --best --format json a.jpg b.png | jq .label

Images are decoded, resized and preprocessed as in training.
CSV:  path,label,CLASS,CLASS,…       a line for each image: its class, the probability of each class
JSON: {"path": …, "label": …, "probabilities": {CLASS: …}}      an object a line (JSON Lines)
An image that cannot be read is named on standard error and has no line; the others have theirs, and
the exit code is 3.)";

inline constexpr std::string_view plan = R"(Examples:
  graft plan configs/solar_cells.json --gpu "RTX 4090"
  graft plan configs/solar_cells.json --arch sm_80 --memory 16GiB --set backbone.precision=fp16 --json

Builds cuDNN's real plans for the 13 convolutions at the config's image size, batch and precision, for a
GPU that need not be there, and prints for each: its FLOP, the bytes that it and the kernels after it
move, its workspace, the time that the GPU's data sheet allows at best, and cuDNN's engine. Then the
device memory that it takes, and the largest batch that fits. The times are bounds, not measurements.
Needs CUDA and cuDNN, but no GPU and no driver; reads neither images nor weights. What it says of an
architecture (--arch) it says of: T4 sm_75, A100 80GB sm_80, RTX 3090 sm_86, RTX 4090 sm_89, H100 SXM
sm_90, B200 sm_100, RTX 5090 sm_120.)";

inline constexpr std::string_view weights = R"(Example:
  graft weights import vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 -o vgg16.safetensors)";

inline constexpr std::string_view weights_import = R"(Examples:
  graft weights import vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 -o vgg16.safetensors
  graft weights import model.onnx -o ~/.cache/graft/vgg16_imagenet.safetensors

Reads Keras 2 and 3 HDF5, ONNX and safetensors (this program's and torchvision's names), checks names,
shapes and values, and prints the number of parameters and their digest, which is the same for the same
values in any format.)";

inline constexpr std::string_view weights_show = R"(Example:
  graft weights show model.onnx

Prints the format, the metadata, and the name and shape of each tensor, of a VGG16 or not.)";

inline constexpr std::string_view config = R"(Examples:
  graft config explain train.optimizer
  graft config check configs/solar_cells.json --set train.epochs=5)";

inline constexpr std::string_view config_check = R"(Example:
  graft config check configs/solar_cells.json --set train.epochs=5

Prints the config with every key and absolute paths, as a run would write it to config.json; exits 2
with one sentence when something in it is wrong. Warns of folders and files that are not there yet.)";

inline constexpr std::string_view config_explain = R"(Examples:
  graft config explain
  graft config explain data.resize
  graft config explain train.optimizer)";

}  // namespace graft::program::help
