#include "engine/features/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>

#include "engine/base/background.h"
#include "engine/base/bounded_queue.h"
#include "engine/base/error.h"
#include "engine/base/memory.h"
#include "engine/base/text.h"
#include "engine/features/batch_slot.h"
#include "engine/image/image.h"
#include "engine/image/image_file.h"

namespace graft {
namespace {

std::size_t batch_capacity(const PipelineRequest& request) {
  return std::min(request.options.batch_size, request.images);
}

// No more than there are batches.
std::size_t batches_in_flight(const PipelineRequest& request, const Backend& backend) {
  const std::size_t depth = request.options.depth;
  const std::size_t wanted = depth > 0 ? depth : backend.batches_in_flight();
  const std::size_t batch = batch_capacity(request);
  return std::clamp<std::size_t>(wanted, 1, (request.images + batch - 1) / batch);
}

DecodeOptions decode_options(const DataConfig& data) {
  DecodeOptions options{data.exif_orientation, data.gray16, {}};
  if (data.fast_decode) options.shrink_towards = data.image_size;
  return options;
}

ImageFile read_image(const PipelineRequest& request, std::size_t image, MemoryBudget& budget,
                     const std::stop_token& stop) {
  if (request.kept != nullptr) {
    if (std::optional<KeptFile> kept = request.kept->take(request.content(image)))
      return {budget.reserve(kept->decoding_memory, stop), std::move(kept->bytes)};
  }
  const std::filesystem::path path = request.path(image);
  ImageFile file = read_image_file(path, request.options.data, ImageUse::decode, budget, stop);
  if (request.content && digest_of(file.bytes) != request.content(image))
    throw Error(ErrorKind::data, "{} changed while this run was using it; run again", shown(path));
  return file;
}

class Pipeline {
 public:
  Pipeline(const PipelineRequest& request, const RunContext& context, Backbone& backbone)
      : request_(request),
        observer_(context.observer),
        tracer_(context.tracer),
        stop_(context.stop),
        backbone_(backbone),
        feature_count_(request.options.shape().count()),
        batch_(batch_capacity(request)),
        depth_(batches_in_flight(request, context.backend)),
        budget_(decoding_budget(request.options.data)),
        free_(pipeline_slots(depth_)),
        opened_(pipeline_slots(depth_)),
        computed_(pipeline_slots(depth_)),
        decoded_(tracer_, "batches for the backbone"),
        unwritten_(tracer_, "batches for the writer") {
    const ImageSize size = request.options.data.image_size;
    for (std::size_t i = 0; i < pipeline_slots(depth_); ++i) {
      slots_.push_back(std::make_unique<BatchSlot>(
          context.backend, batch_, std::size_t{size.height} * size.width * 3, feature_count_));
      free_.push(slots_.back().get());
    }
  }

  void run() {
    {
      std::vector<std::jthread> threads;
      try {
        for (std::size_t i = 0; i < std::max<std::size_t>(request_.options.decode_threads, 1);
             ++i) {
          threads.push_back(start_thread([this, i] {
            step_back();
            name_thread("decoder", i + 1);
            decode_images();
          }));
        }
        if (request_.sink_thread == SinkThread::own) {
          threads.push_back(start_thread([this] {
            name_thread("writer", 1);
            sink_batches();
          }));
        }
        compute_batches();
      } catch (...) {
        fail(std::current_exception());
        abandon_device_work();
      }
      end_decoding();
      computed_.close();  // the sink takes what is queued, then ends
    }
    if (failure_) std::rethrow_exception(failure_);
    if (interrupted_)
      throw Error(ErrorKind::interrupted, "interrupted; the images that were done are kept");
    for (const auto& [warning, files] : warnings_)
      observer_.warn(fmt::format(
          "{}{}: {}", shown(*files.begin()),
          files.size() == 1 ? "" : fmt::format(" and {} more", files.size() - 1), warning));
  }

 private:
  struct Task {
    BatchSlot* slot;
    std::size_t position;
    std::size_t count;  // images that are views of one file
  };

  // The next file to decode. A batch that was opened is always handed out to its end, so that
  // waiting for it ends; the next one is not opened any more once the pipeline stops.
  std::optional<Task> next_task() {
    const std::lock_guard lock(dispatch_mutex_);
    if (filling_ == nullptr || next_position_ == filling_count_) {
      filling_ = nullptr;
      std::optional<BatchSlot*> slot;
      if (next_image_ < request_.images && !stopping_) {
        const TraceSpan span(tracer_, "wait for a buffer", next_image_ / batch_);
        slot = free_.pop();
      }
      if (!slot || stopping_) {
        opened_.close();
        return std::nullopt;
      }
      const std::size_t count = std::min(batch_, request_.images - next_image_);
      (*slot)->open(next_image_, count);
      opened_.push(*slot);
      // Nothing throws from here on: a slot that the backbone waits for is handed out.
      filling_ = *slot;
      filling_count_ = count;
      next_image_ += count;
      next_position_ = 0;
    }
    const std::size_t begin = next_position_;
    next_position_ += views_of_one_file(filling_->first() + begin, filling_count_ - begin);
    return Task{filling_, begin, next_position_ - begin};
  }

  // How many of the next `most` images have the file of `image`.
  std::size_t views_of_one_file(std::size_t image, std::size_t most) const {
    std::size_t count = 1;
    if (!request_.view) return count;
    const std::filesystem::path file = request_.path(image);
    while (count < most && request_.path(image + count) == file) ++count;
    return count;
  }

  void decode_images() {
    while (true) {
      try {
        const std::optional<Task> task = next_task();
        if (!task) return;
        const DecodeOutcome outcome = decode(*task);
        for (std::size_t i = 0; i < task->count; ++i)
          task->slot->set_outcome(task->position + i, outcome, [this] { decoded_.more(); });
      } catch (...) {  // memory ran out for a slot's list; next_task() now ends the decoding
        fail(std::current_exception());
      }
    }
  }

  // Never throws: each image of an opened slot gets its outcome.
  DecodeOutcome decode(const Task& task) noexcept {
    try {
      if (stopping_) return {};
      return decode_outcome(task);
    } catch (...) {  // also when memory ran out for a reason
      return {{}, std::current_exception()};
    }
  }

  // The pixels of the file of image `index`.
  void decode_into(std::size_t index, std::span<std::uint8_t> target) {
    const TraceSpan photo(tracer_, "photo", index);
    const DataConfig& data = request_.options.data;
    std::optional<ImageFile> file;
    {
      const TraceSpan span(tracer_, "read", index);
      file = read_image(request_, index, budget_, decoding_.get_token());
    }
    Image image;
    {
      const TraceSpan span(tracer_, "decode", index);
      image = decode_inspected_image(file->bytes, decode_options(data));
    }
    if (!image.warning.empty()) {
      const std::lock_guard lock(warnings_mutex_);
      warnings_[image.warning].insert(request_.path(index));
    }
    const TraceSpan span(tracer_, "resize", index);
    resize_image(image, data.resize, data.image_size, target);
  }

  DecodeOutcome decode_outcome(const Task& task) {
    const std::size_t first = task.slot->first() + task.position;
    try {
      const std::span<std::uint8_t> pixels = task.slot->pixels(task.position);
      decode_into(first, pixels);
      for (std::size_t i = task.count; i-- > 0;) {  // the first one last: the others are copies
        const std::span<std::uint8_t> target = task.slot->pixels(task.position + i);
        if (i > 0) std::ranges::copy(pixels, target.begin());
        if (!request_.view) continue;
        turn_to_view(target, request_.options.data.image_size, request_.view(first + i));
      }
      return {};
    } catch (const BadImage& bad) {
      return {bad.what(), nullptr};
    } catch (const Error& error) {
      if (!request_.unreadable_is_bad || error.kind() != ErrorKind::io) throw;
      return {error.what(), nullptr};
    } catch (const std::bad_alloc&) {
      throw memory_ran_out(request_.path(first));
    }
  }

  void compute_batches() {
    while (!stopping_) {
      if (stop_.stop_requested()) {
        interrupted_ = true;
        break;
      }
      BatchSlot* const next = next_decoded();
      if (next == nullptr || stopping_) break;  // stopping: some of its images were not decoded
      BatchSlot& slot = *next;
      const std::exception_ptr end = cut_at_failure(slot);
      slot.close_gaps();
      if (slot.rows() > 0) {
        const TraceSpan span(tracer_, "backbone", number(slot));
        slot.ticket = backbone_.submit(slot.images(), slot.rows(), slot.features());
      }
      in_flight_.push_back(&slot);
      if (end) fail(end);
      if (in_flight_.size() >= depth_) finish_oldest();
    }
    while (!in_flight_.empty()) finish_oldest();
  }

  // Null when there are no more.
  BatchSlot* next_decoded() {
    const TraceSpan span(tracer_, "wait for photos");
    const std::optional<BatchSlot*> next = opened_.pop();
    if (!next) return nullptr;
    (*next)->wait_decoded();
    decoded_.fewer();
    return *next;
  }

  // The failure that ends the run at this batch, if any; the images before it stay in the slot.
  std::exception_ptr cut_at_failure(BatchSlot& slot) const {
    for (std::size_t position = 0; position < slot.count(); ++position) {
      const DecodeOutcome& outcome = slot.outcomes()[position];
      std::exception_ptr end = outcome.fatal;
      if (!end && request_.stop_at_bad_image && !outcome.bad_reason.empty()) {
        end = std::make_exception_ptr(
            Error(ErrorKind::data,
                  "{} is not a complete image: {}; remove it, or set data.on_bad_image to "
                  "\"skip\"",
                  shown(request_.path(slot.first() + position)), outcome.bad_reason));
      }
      if (end) {
        slot.cut(position);
        return end;
      }
    }
    return nullptr;
  }

  void finish_oldest() {
    BatchSlot* slot = in_flight_.front();
    if (slot->rows() > 0) {
      const TraceSpan span(tracer_, "wait for the device", number(*slot));
      backbone_.wait(slot->ticket);
    }
    in_flight_.pop_front();
    const std::size_t done = slot->first() + slot->count();
    if (request_.sink_thread == SinkThread::own) {
      unwritten_.more();
      computed_.push(slot);
    } else {
      pass_to_sink(*slot);
      free_.push(slot);
    }
    if (request_.progress) request_.progress(done);
  }

  // After a failure the device may still write into slots that are about to be freed.
  void abandon_device_work() {
    for (const BatchSlot* slot : in_flight_) {
      try {
        if (slot->rows() > 0) backbone_.wait(slot->ticket);
      } catch (...) {  // the first cause is already kept
      }
    }
  }

  void sink_batches() {
    bool failed = false;
    while (const std::optional<BatchSlot*> slot = computed_.pop()) {
      unwritten_.fewer();
      try {
        if (!failed) pass_to_sink(**slot);
        free_.push(*slot);
      } catch (...) {
        failed = true;
        fail(std::current_exception());
      }
    }
  }

  void pass_to_sink(const BatchSlot& slot) const {
    const TraceSpan span(tracer_, "write", number(slot));
    FeatureBatch batch{slot.first(), {}, {slot.features().data(), slot.rows(), feature_count_}};
    for (const DecodeOutcome& outcome : slot.outcomes())
      batch.bad_reasons.push_back(outcome.bad_reason);
    request_.sink(batch);
  }

  std::size_t number(const BatchSlot& slot) const { return slot.first() / batch_; }

  void name_thread(const char* kind, std::size_t number) const noexcept {
    if (tracer_ == nullptr) return;
    try {
      tracer_->name_thread(fmt::format("{} {}", kind, number));
    } catch (const std::bad_alloc&) {  // then it has no name
    }
  }

  void fail(std::exception_ptr cause) {
    {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::move(cause);
    }
    end_decoding();
  }

  void end_decoding() {
    stopping_ = true;
    decoding_.request_stop();
    free_.close();
  }

  const PipelineRequest& request_;
  Observer& observer_;
  Tracer* const tracer_;
  const std::stop_token stop_;
  Backbone& backbone_;
  const std::size_t feature_count_;  // of one image
  const std::size_t batch_;          // images at most
  const std::size_t depth_;          // batches in flight at most
  MemoryBudget budget_;              // of the decoders
  std::stop_source decoding_;        // ends their wait for memory
  std::vector<std::unique_ptr<BatchSlot>> slots_;
  BoundedQueue<BatchSlot*> free_;
  BoundedQueue<BatchSlot*> opened_;    // in the order of the images; being decoded
  BoundedQueue<BatchSlot*> computed_;  // in the order of the images; for the sink's own thread
  std::deque<BatchSlot*> in_flight_;   // submitted to the backbone, oldest first
  TraceCounter decoded_, unwritten_;   // that wait for the backbone, for the sink's own thread

  std::mutex dispatch_mutex_;  // guards the four below
  BatchSlot* filling_ = nullptr;
  std::size_t filling_count_ = 0;
  std::size_t next_position_ = 0;
  std::size_t next_image_ = 0;

  std::mutex warnings_mutex_;
  std::map<std::string, std::set<std::filesystem::path>> warnings_;  // of decoders, and their files

  std::atomic<bool> stopping_ = false;
  bool interrupted_ = false;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void BatchSlot::close_gaps() {
  rows_ = 0;
  for (std::size_t position = 0; position < count_; ++position) {
    if (!outcomes_[position].bad_reason.empty()) continue;
    if (position != rows_) std::memcpy(pixels(rows_).data(), pixels(position).data(), image_bytes_);
    ++rows_;
  }
}

void check_pipeline_memory(const PipelineRequest& request, const Backend& backend) {
  const ImageSize size = request.options.data.image_size;
  const double image_bytes = 3.0 * size.height * size.width +
                             static_cast<double>(request.options.shape().count()) * sizeof(float);
  const std::size_t batch = batch_capacity(request);
  const std::size_t slots = pipeline_slots(batches_in_flight(request, backend));
  check_memory(fmt::format("Reading images of {}×{} in {} batches of {} at a time", size.height,
                           size.width, slots, batch),
               static_cast<double>(slots) * static_cast<double>(batch) * image_bytes,
               "choose a smaller backbone.batch_size, pipeline.depth or data.image_size");
}

void run_pipeline(const PipelineRequest& request, const RunContext& context, Backbone& backbone) {
  if (request.images == 0) return;
  if (request.options.batch_size == 0)
    throw Error(ErrorKind::usage, "batch_size must be at least 1");
  check_pipeline_memory(request, context.backend);
  Pipeline(request, context, backbone).run();
}

}  // namespace graft
