#include "engine/dataset/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

#include "engine/base/background.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/image/image.h"

namespace graft {
namespace {

// Opening a pipe would wait for ever, so the kind of file comes first.
std::string reason_not_a_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::is_regular_file(status)) return {};
  if (status.type() == std::filesystem::file_type::not_found) {
    const bool is_link = std::filesystem::is_symlink(std::filesystem::symlink_status(path, error));
    return is_link ? "a link to nothing" : "there is no such file";
  }
  if (error) return error.message();
  return "not a regular file";
}

VerifiedFile verify_file(const std::filesystem::path& path) {
  if (!is_utf8(path.filename().native()) || !is_utf8(path.native())) {
    return {{}, "the name is not UTF-8, which files.json cannot hold; rename it"};
  }
  if (std::string reason = reason_not_a_file(path); !reason.empty()) return {{}, std::move(reason)};
  try {
    const std::vector<std::byte> bytes = read_file(path, maximum_image_file_bytes);
    inspect_image(bytes);
    return {digest_of(bytes), {}};
  } catch (const Error& error) {  // BadImage, or a file that cannot be read
    return {{}, error.what()};
  }
}

}  // namespace

std::vector<VerifiedFile> verify_files(const ScannedFolder& folder, const std::string& stage,
                                       std::size_t threads, Observer& observer,
                                       std::stop_token stop) {
  std::vector<std::filesystem::path> files;
  for (const ScannedClass& one : folder.classes) {
    for (const std::string& file : one.files) files.push_back(folder.root / file);
  }
  std::vector<VerifiedFile> results(files.size());
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> done = 0;
  std::mutex failure_mutex;
  std::exception_ptr failure;
  // Takes files until there are none, 16 at a time so that a thread stays in one folder.
  const auto work = [&](bool reports) {
    try {
      while (!stop.stop_requested()) {
        const std::size_t begin = next.fetch_add(16);
        if (begin >= files.size()) return;
        const std::size_t end = std::min(begin + 16, files.size());
        for (std::size_t i = begin; i < end; ++i) results[i] = verify_file(files[i]);
        done += end - begin;
        if (reports) observer.advance(done);
      }
    } catch (...) {
      next = files.size();  // the others end, too
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  const Stage progress(observer, stage, files.size(), "images");
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < threads; ++i) helpers.push_back(start_thread([&] { work(false); }));
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
