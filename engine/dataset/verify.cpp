#include "engine/dataset/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/base/background.h"
#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/image/image.h"
#include "engine/image/image_file.h"

namespace graft {
namespace {

// Borrows. There may be millions, so that each is small.
struct ListedFile {
  const std::string* name;  // as in Sample::file
  std::size_t line;         // of the list; 0 without one
};

std::vector<ListedFile> files_of(const ScannedFolder& folder) {
  std::vector<ListedFile> files;
  for (const ScannedClass& one : folder.classes)
    for (std::size_t i = 0; i < one.files.size(); ++i)
      files.push_back({&one.files[i], one.lines.empty() ? 0 : one.lines[i]});
  return files;
}

// The coarsest clock of a file system ticks every two seconds.
bool may_change_unseen(const FileStamp& stamp) {
  using namespace std::chrono;
  const nanoseconds now = system_clock::now().time_since_epoch();
  return nanoseconds(stamp.time) > now - seconds(2);
}

// Only what the content shows is the file's fault.
VerifiedFile verify_file(const ScannedFolder& folder, const ListedFile& file,
                         const std::string& set, const DataConfig& data, MemoryBudget& budget,
                         const ReadingOptions& options, const std::stop_token& stop) {
  const std::filesystem::path path = folder.root / *file.name;
  const auto with_place = [&](const std::string& sentence) {
    return file.line == 0 ? sentence
                          : fmt::format("{} ({}:{})", sentence, shown(folder.list), file.line);
  };
  if (!is_utf8(path.native())) {
    throw Error(
        ErrorKind::data,
        with_place(fmt::format("the name {} is not UTF-8, which files.json cannot hold; rename it",
                               shown(path))));
  }
  std::optional<FileStamp> stamp;
  if (options.shard != nullptr || options.known != nullptr) stamp = stamp_of(path);
  if (stamp && options.known != nullptr) {
    const auto content = options.known->find(stamped_name(set, *file.name, *stamp));
    if (content != options.known->end()) return {content->second, {}};
  }
  if (options.shard == nullptr || (stamp && may_change_unseen(*stamp))) stamp.reset();
  try {
    ImageFile image = read_image_file(path, data, ImageUse::check, budget, stop);
    const Digest content = digest_of(image.bytes);
    if (options.kept != nullptr)
      options.kept->add(content, {std::move(image.bytes), image.decoding_memory});
    return {content, {}, stamp};
  } catch (const BadImage& bad) {
    return {{}, with_place(bad.what())};
  } catch (const Error& error) {
    throw Error(error.kind(), with_place(error.what()));
  }
}

}  // namespace

Digest stamped_name(std::string_view set, std::string_view file, const FileStamp& stamp) {
  return digest_of(fmt::format("{} {} {} {}", set, stamp.size, stamp.time, file));
}

std::vector<VerifiedFile> verify_files(const ScannedFolder& folder, const DataConfig& data,
                                       const std::string& set, const std::string& stage,
                                       std::size_t threads, Observer& observer,
                                       std::stop_token stop, const ReadingOptions& options) {
  const std::vector<ListedFile> files = files_of(folder);
  std::vector<VerifiedFile> results(files.size());
  MemoryBudget budget = decoding_budget(data);
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> done = 0;
  std::mutex failure_mutex;
  std::exception_ptr failure;
  std::size_t failed = files.size();  // the first of those that failed
  const auto fail = [&](std::size_t file) {
    next = files.size();  // the others end, too
    const std::lock_guard lock(failure_mutex);
    if (failure && file >= failed) return;
    failure = std::current_exception();
    failed = file;
  };
  // Takes files until there are none, 16 at a time so that a thread stays in one folder.
  const auto work = [&](bool reports) {
    std::size_t file = 0;
    try {
      while (!stop.stop_requested()) {
        const std::size_t begin = next.fetch_add(16);
        if (begin >= files.size()) return;
        const std::size_t end = std::min(begin + 16, files.size());
        for (file = begin; file < end; ++file)
          results[file] = verify_file(folder, files[file], set, data, budget, options, stop);
        done += end - begin;
        if (reports) observer.advance(done);
      }
    } catch (...) {
      fail(file);
    }
  };
  const Stage progress(observer, stage, files.size(), "images");
  {
    std::vector<std::jthread> helpers;
    try {
      for (std::size_t i = 1; i < threads; ++i)
        helpers.push_back(start_thread([&] { work(false); }));
    } catch (...) {
      fail(0);
    }
    work(true);
  }
  observer.advance(files.size());
  if (failure) std::rethrow_exception(failure);
  if (done < files.size()) {
    throw Error(ErrorKind::interrupted, "interrupted while the images were being checked");
  }
  return results;
}

}  // namespace graft
