#pragma once
// The text of --help below the list of options: an example, the outputs, the exit codes.

#include <string_view>

namespace graft::program::help {

inline constexpr std::string_view program = R"(Start here:
  graft run photos/                     the complete recipe; each sub-folder of photos/ is a class
  graft predict runs/photos photo.jpg   classifies a photo
  graft run configs/solar_cells.json    the same with settings of your own
  graft config explain                  the keys of a config

Results go to standard output; progress, notes and errors to standard error.
After a kill or an interruption at any moment, the same command continues where it stopped.

Exit codes:
  0    success
  1    a bug in this program: please report it
  2    a wrong config or wrong arguments
  3    data: images, folders or labels
  4    a weights file
  5    the device: it does not exist, it failed, or memory ran out
  6    a file could not be read or written; a full disk; a folder in use
  130  interrupted (Ctrl-C, SIGTERM); finished work is saved

`graft COMMAND --help` explains each command.)";

inline constexpr std::string_view run = R"(Examples:
  graft run configs/solar_cells.json --set train.epochs=5 --output runs/short
  graft run photos/

photos/ holds a sub-folder for each class, or train and validation that do; the output is runs/photos.

Writes into the config's `output` folder:
  features/{train,validation}.npy           bottleneck features: N × height × width × 512 floats
  features/*.labels.npy, *.files.json       class, file and digest of each row
  run.log                                   the log with times
and in its folder result/:
  head.safetensors, head_best.safetensors   the classifier after the last and after the best epoch
  history.csv, history.json, curves.svg     loss and accuracy of each epoch
  report.html                               all results as a page: open it in a browser
  evaluation.json, classes.json             the figures, and the names of the classes
  config.json                               the config with every key
  checkpoint.safetensors                    from where more epochs continue
result/ changes at once, when all of these files are complete. Until then they are in next/, and the
earlier result stays as it is. Prints the evaluation. A second run computes only what has changed.

--trace, --nvtx and --profile: see `graft extract --help`; here also --profile epoch:2-4 (from 1).)";

inline constexpr std::string_view extract = R"(Example:
  graft extract configs/solar_cells.json

Writes features/*.npy, *.labels.npy and *.files.json into the config's `output` folder, and run.log.
Rows whose image, weights and preprocessing are unchanged are reused.

More than one process, on one machine or on many that share the output folder:
  srun -n 16 graft extract CONFIG --shard auto      or mpirun, or a SLURM array, or --shard 3/16 by hand
  graft run CONFIG
Each process extracts its part of the photos, by the hash of their names, into features/shard-3-of-16/, and
continues it after a kill. Commands without --shard then take the rows from there, and compute those of
missing shards. Photos with the size and the time that a shard saw are not read again, unless --verify. The
result has the same bytes as that of one process. Nothing deletes the shards' folders: without them a later
run reads all photos again.

--trace FILE records a row for each thread: photos read, decoded and resized, batches and layers in the
backbone, writes, waits, and the lengths of the queues. On a GPU it also records a row for each stream
of the backbone and for the head's, with each kernel and copy, its layer, and the bytes that it should
move. With --trace or NVTX the backbone runs without CUDA graphs, so that its kernels are visible.

NVTX is on with --nvtx, and where nsys or ncu asks for it (NVTX_INJECTION64_PATH in the environment).
--profile batches:10-20 (counted from 0) is for `nsys profile --capture-range cudaProfilerApi` and
`ncu --profile-from-start off`. tools/profile.sh runs both and summarises their reports.)";

inline constexpr std::string_view train = R"(Example:
  graft train configs/solar_cells.json --set head.hidden=[512,128] --set train.epochs=40

Reads features/ in the config's `output` folder (`graft extract` makes it), trains and evaluates, and
writes result/ there (see `graft run --help`). Prints the evaluation. Features that were made with other
settings are refused; `graft run` extracts what is missing first.)";

inline constexpr std::string_view crossvalidate = R"(Example:
  graft crossvalidate configs/solar_cells.json --folds 5 --seeds 3

Computes the missing features, as `graft extract` does. Then trains on all folds but one and judges
that one after the last epoch, for each fold and seed. The folds are of the training and the validation
images together, each with the same share of every class; equal images are in one fold. Prints accuracy,
balanced accuracy, AUC and loss with their mean and standard deviation, and writes them into
crossvalidation.json in the config's `output` folder.)";

inline constexpr std::string_view evaluate = R"(Example:
  graft evaluate runs/solar_cells --best
  graft evaluate runs/solar_cells --set data.validation=others/ -o others.json

Prints figures, confusion matrix and most confident mistakes on the validation images. Where the
settings are not those of the stored features, it computes the features that it needs, and stores none.
Writes nothing but the file that -o names.)";

inline constexpr std::string_view predict = R"(Examples:
  graft predict runs/solar_cells photos/ > predictions.csv
  graft predict runs/solar_cells --best --json a.jpg b.png | jq .label
  graft predict runs/solar_cells --threshold 0.3 photos/
  find photos -name '*.png' -print0 | graft predict runs/solar_cells --top 3 -0 -

Images are decoded, resized and preprocessed as in training.
CSV:  path,label,CLASS,CLASS,…,error   a line for each image: its class, the probability of each class;
      a class named path, label or error has the column p(path), p(label) or p(error)
JSON: {"path": …, "label": …, "probabilities": {CLASS: …}}      an object a line (JSON Lines)
--top K lists the K most probable classes only, the highest first, equal ones in the order of the
classes. CSV is then path,label,probability,label_2,probability_2,…,error.
--threshold T is for two classes: the label is the second when its probability is above T (otherwise
0.5). result/evaluation.json names the T with the best balanced accuracy on the validation images.
CSV has probabilities of four digits, JSON all digits. An image that cannot be read has a line with the
reason at its place: the last column in CSV, {"path": …, "error": …} in JSON. The exit code is then 3.

With - the paths come from standard input, one a line (LF or CR LF), or with -0 separated by NUL. Each has
one answer, in order; a folder or an empty line is an image that cannot be read. What can be no path, of
4,096 bytes or more or with a NUL byte, ends it with exit code 2. Paths that are there together share a
batch, and are answered before more are awaited. Answers do not depend on the grouping: each batch is
computed as one of backbone.batch_size. Set that to 1 where paths come one by one.)";

inline constexpr std::string_view export_model = R"(Examples:
  graft export runs/solar_cells -o model.onnx
  graft export runs/solar_cells --best --half -o model.onnx
  graft export runs/solar_cells -o head.h5

model.onnx has all of it: input `images`, uint8 N × height × width × 3, RGB, of data.image_size and
resized as data.resize says; preprocessing, VGG16, flips, the head; output `probabilities`, N × classes.
Its properties name the classes, graft's version and the digests of weights and config. With --head-only
the input is `features`, rows as in features/*.npy.
head.h5 has Keras' weights of Sequential([Flatten(), Dense, Dropout, Dense]) for load_weights().
An existing file is replaced when the new one is complete. docs/models.md shows how to use them.)";

inline constexpr std::string_view plan = R"(Examples:
  graft plan configs/solar_cells.json --gpu "RTX 4090"
  graft plan configs/solar_cells.json --arch sm_80 --memory 16GiB --set backbone.precision=fp16 --json

Builds cuDNN's execution plans for the 13 convolutions at the config's image size, batch and precision,
for a GPU that this machine need not have. Prints for each: its FLOP, the bytes that it and the kernels
after it move, its workspace, the shortest time that the GPU's data sheet allows, and cuDNN's engine;
then the device memory, and what precision and batch size "auto" is. The times are bounds, not
measurements. Needs CUDA and cuDNN, but no GPU and no driver; reads neither images nor weights. --arch
means one GPU each: T4 sm_75, A100 80GB sm_80, RTX 3090 sm_86, RTX 4090 sm_89, H100 SXM sm_90, B200 sm_100,
RTX 5090 sm_120.)";

inline constexpr std::string_view weights_import = R"(Examples:
  graft weights import vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 -o vgg16.safetensors
  graft weights import model.onnx -o ~/.cache/graft/vgg16_imagenet.safetensors

Reads Keras 2 and 3 HDF5, ONNX (external data from its own folder) and safetensors with the names of
graft, torchvision or timm after any prefix ("module."). float16 and bfloat16 become float32. Checks
names, shapes and values of the 13 convolutions and ignores other tensors. Prints the number of
parameters and their digest, which depends on the values alone, not on the format.)";

inline constexpr std::string_view weights_show = R"(Example:
  graft weights show model.onnx

Prints the format, the metadata, and the name and shape of each tensor, for any network.)";

inline constexpr std::string_view config_check = R"(Example:
  graft config check configs/solar_cells.json --set train.epochs=5

Prints the config with every key and absolute paths, as a run would write it to config.json. Exits with
2 and one sentence when it is wrong. Warns of missing folders and files.)";

inline constexpr std::string_view config_explain = R"(Examples:
  graft config explain
  graft config explain data.resize
  graft config explain train.optimizer)";

inline constexpr std::string_view config_schema = R"(Example:
  graft config schema > graft.schema.json

Prints a JSON Schema (draft 2020-12) of configs. An editor completes and checks a config that has
"$schema": "graft.schema.json". `graft config check` also judges rules between keys and variables.)";

}  // namespace graft::program::help
