#include "engine/dataset/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

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
  if (status.type() == std::filesystem::file_type::not_found) return "a link to nothing";
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

// The files still to be taken, the results, and the first failure, shared by the threads.
class Verification {
 public:
  Verification(const ScannedFolder& folder, std::stop_token stop)
      : root_(folder.root), stop_(std::move(stop)) {
    for (const ScannedClass& one : folder.classes) {
      for (const std::string& file : one.files) files_.push_back(&file);
    }
    results_.resize(files_.size());
  }

  std::size_t size() const { return files_.size(); }

  // Takes files until there are none, in runs so that neighbours in a folder stay with one thread.
  template <typename Report>
  void work(const Report& report) {
    constexpr std::size_t run = 16;
    try {
      while (!stop_.stop_requested() && !failed_) {
        const std::size_t begin = next_.fetch_add(run);
        if (begin >= files_.size()) return;
        const std::size_t end = std::min(begin + run, files_.size());
        for (std::size_t i = begin; i < end; ++i) results_[i] = verify_file(root_ / *files_[i]);
        report(done_.fetch_add(end - begin) + (end - begin));
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      failed_ = true;
    }
  }

  std::vector<VerifiedFile> take_results() {
    if (failure_) std::rethrow_exception(failure_);
    if (done_ < files_.size()) {
      throw Error(ErrorKind::interrupted, "interrupted while the images were being checked");
    }
    return std::move(results_);
  }

 private:
  const std::filesystem::path root_;
  const std::stop_token stop_;
  std::vector<const std::string*> files_;
  std::vector<VerifiedFile> results_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::size_t> done_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

std::vector<VerifiedFile> verify_files(const ScannedFolder& folder, const std::string& stage,
                                       std::size_t threads, Observer& observer,
                                       std::stop_token stop) {
  Verification verification(folder, std::move(stop));
  const Stage progress(observer, stage, verification.size(), "images");
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < threads; ++i) {
      helpers.emplace_back([&] { verification.work([](std::size_t) {}); });
    }
    verification.work([&](std::size_t done) { observer.advance(done); });
  }
  observer.advance(verification.size());
  return verification.take_results();
}

}  // namespace graft
