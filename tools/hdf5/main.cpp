// graft-hdf5: reads and makes HDF5 files of Keras for `graft`, which starts it
// (engine/weights/hdf5_program.h).
//   graft-hdf5 PARENT FILE list                  the datasets, as JSON
//   graft-hdf5 PARENT FILE read INPUT OUTPUT…    the 3×3 convolutions with these numbers of channels, as
//                                                the content of a safetensors file
//   graft-hdf5 PARENT FILE write                 the head in the safetensors file FILE, as the content of
//                                                an HDF5 file
// PARENT is the process that started it. Standard output gets one byte, hdf5_result before the result
// or an ErrorKind before a sentence.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <new>

#include "engine/base/json.h"
#include "engine/weights/hdf5_program.h"
#include "engine/weights/refuse.h"
#include "tools/hdf5/confinement.h"
#include "tools/hdf5/keras_hdf5.h"
#include "tools/hdf5/keras_head.h"

namespace graft {
namespace {

// The weights of a VGG16 have 59 MB, and a chunk of a dataset has at most 64 MiB before it is deflated.
constexpr std::size_t most_memory = std::size_t{512} << 20U;
// The weights of a VGG16 take 0.1 s, and 0.4 s where they are deflated.
constexpr std::uint64_t most_seconds = 3;

void send(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (put < 0 && errno != EINTR) _exit(1);
    if (put > 0) bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void send(std::byte first, std::string_view text) {
  send({&first, 1});
  send(as_bytes(text));
}

// The layers with the channels of VGG16's names.
std::vector<Vgg16Layer> layers_of(std::span<char*> channels) {
  std::vector<Vgg16Layer> layers(vgg16_layers.begin(), vgg16_layers.end());
  layers.resize(std::min(layers.size(), channels.size() - 1));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i].input_channels = std::stoul(channels[i]);
    layers[i].output_channels = std::stoul(channels[i + 1]);
  }
  return layers;
}

void send_convolutions(const Hdf5File& file, std::span<const Vgg16Layer> layers) {
  const ConvolutionFile read = read_keras_convolutions(file, layers);
  const std::vector<TensorView> tensors = convolution_tensors(layers, read.convolutions);
  send(hdf5_result, safetensors_header(tensors, {{"source", read.source}}));
  for (const TensorView& tensor : tensors) send(std::as_bytes(tensor.data));
}

void send_summary(const Hdf5File& file) {
  const WeightsFileSummary summary = describe_keras_file(file);
  Json json = {{"format", summary.format},
               {"metadata", Json::object()},
               {"names", Json::array()},
               {"shapes", Json::array()}};
  for (const auto& [name, value] : summary.metadata) json["metadata"][name] = value;
  for (const WeightsFileEntry& entry : summary.tensors) {
    json["names"].push_back(entry.name);
    json["shapes"].push_back(entry.shape);
  }
  send(hdf5_result, json_text(json));
}

void confine(std::size_t memory, std::uint64_t seconds) {
  if (confine_process(memory, seconds)) return;
  std::fputs(
      "graft-hdf5: warning: this kernel has no filters of system calls (seccomp): the "
      "HDF5 library works with limits on resources alone\n",
      stderr);
}

void send_head(const std::filesystem::path& path) try {
  const MappedFile content(path);
  const Safetensors head(path, content.bytes());
  const std::size_t bytes = content.bytes().size();
  constexpr std::size_t copies = 4;  // the file; a tensor; the library's image; the answer
  constexpr std::size_t bytes_a_second = std::size_t{1} << 26U;  // far below a copy's speed
  confine(copies * bytes + most_memory, most_seconds + bytes / bytes_a_second);
  const std::vector<std::byte> image = keras_head_image(head, bytes);
  send(hdf5_result, {});
  send(image);
} catch (const std::bad_alloc&) {
  throw Error(ErrorKind::device,
              shown(path) + ": memory ran out while an HDF5 file was made of it");
}

void answer(std::span<char*> arguments) {
  const std::filesystem::path path = arguments[2];
  try {
    if (std::string_view(arguments[3]) == "write") return send_head(path);
    const MappedFile image(path);
    confine(image.bytes().size() + most_memory, most_seconds);
    const Hdf5File file(path, image.bytes());
    if (std::string_view(arguments[3]) == "list") {
      send_summary(file);
    } else {
      send_convolutions(file, layers_of(arguments.subspan(4)));
    }
  } catch (const Error& error) {
    send(static_cast<std::byte>(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    send(static_cast<std::byte>(ErrorKind::weights),
         fmt::format("{}: reading it takes more than {} MiB of memory: it is damaged; fetch it or "
                     "save the weights again",
                     shown(path), most_memory >> 20U));
  }
}

}  // namespace
}  // namespace graft

int main(int count, char** arguments) try {
  if (count < 4) {
    std::fputs("graft-hdf5 reads HDF5 files for graft, which starts it\n", stderr);
    return 2;
  }
  graft::die_with_parent(std::stoi(arguments[1]));
  graft::answer({arguments, static_cast<std::size_t>(count)});
  _exit(0);  // nothing of the library runs any more
} catch (const std::exception&) {
  return 2;
}
