#include "engine/features/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "engine/base/background.h"
#include "engine/base/bounded_queue.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/memory.h"
#include "engine/features/batch_slot.h"
#include "engine/image/image.h"

namespace graft {
namespace {

std::size_t batch_capacity(const PipelineRequest& request) {
  return std::min(request.batch_size, request.images);
}

// No more than there are batches.
std::size_t batches_in_flight(const PipelineRequest& request, const Backend& backend) {
  const std::size_t wanted = request.depth > 0 ? request.depth : backend.batches_in_flight();
  const std::size_t batch = batch_capacity(request);
  return std::clamp<std::size_t>(wanted, 1, (request.images + batch - 1) / batch);
}

DecodeOptions decode_options(const DataConfig& data) {
  DecodeOptions options{data.exif_orientation, data.gray16, {}};
  if (data.fast_decode) options.shrink_towards = data.image_size;
  return options;
}

std::vector<std::byte> read_image(const PipelineRequest& request, std::size_t index) {
  const TraceSpan span(request.tracer, "read", index);
  const std::filesystem::path path = request.path(index);
  std::vector<std::byte> bytes = read_file(path, maximum_image_file_bytes);
  if (request.content && digest_of(bytes) != request.content(index)) {
    throw Error(ErrorKind::data,
                fmt::format("{} changed while this run was using it; run again", path.string()));
  }
  return bytes;
}

Image decode(const PipelineRequest& request, std::size_t index, std::span<const std::byte> bytes) {
  const TraceSpan span(request.tracer, "decode", index);
  return decode_image(bytes, decode_options(request.data));
}

DecodeOutcome decode_into(const PipelineRequest& request, std::size_t index,
                          std::span<std::uint8_t> target) {
  const TraceSpan photo(request.tracer, "photo", index);
  try {
    const Image image = decode(request, index, read_image(request, index));
    const TraceSpan span(request.tracer, "resize", index);
    resize_image(image, request.data.resize, request.data.image_size, target);
    return {};
  } catch (const BadImage& bad) {
    return {bad.what(), nullptr};
  } catch (const Error& error) {
    if (request.content || error.kind() != ErrorKind::io) return {{}, std::current_exception()};
    return {error.what(), nullptr};
  } catch (...) {
    return {{}, std::current_exception()};
  }
}

class Pipeline {
 public:
  Pipeline(const PipelineRequest& request, Backend& backend, Backbone& backbone,
           const std::function<void(const FeatureBatch&)>& sink, SinkThread sink_thread)
      : request_(request),
        backbone_(backbone),
        sink_(sink),
        sink_thread_(sink_thread),
        batch_(batch_capacity(request)),
        in_flight_(batches_in_flight(request, backend)),
        free_(pipeline_slots(in_flight_)),
        opened_(pipeline_slots(in_flight_)),
        computed_(pipeline_slots(in_flight_)),
        decoded_(request.tracer, "batches for the backbone"),
        unwritten_(request.tracer, "batches for the writer") {
    const std::size_t image_bytes =
        std::size_t{request.data.image_size.height} * request.data.image_size.width * 3;
    for (std::size_t i = 0; i < pipeline_slots(in_flight_); ++i) {
      slots_.push_back(
          std::make_unique<BatchSlot>(backend, batch_, image_bytes, request.shape.count()));
      free_.push(slots_.back().get());
    }
  }

  void run(const std::function<void(std::size_t)>& progress, const std::stop_token& stop) {
    {
      std::vector<std::jthread> threads;
      try {
        for (std::size_t i = 0; i < std::max<std::size_t>(request_.decode_threads, 1); ++i) {
          threads.emplace_back([this, i] {
            step_back();
            name_thread("decoder", i + 1);
            decode_images();
          });
        }
        if (sink_thread_ == SinkThread::own) {
          threads.emplace_back([this] {
            name_thread("writer", 1);
            sink_batches();
          });
        }
        compute_batches(progress, stop);
      } catch (...) {
        fail(std::current_exception());
        abandon_device_work();
      }
      end_decoding();
      computed_.close();  // the sink takes what is queued, then ends
    }
    if (failure_) std::rethrow_exception(failure_);
    if (interrupted_) {
      throw Error(ErrorKind::interrupted, "interrupted; the images that were done are kept");
    }
  }

 private:
  struct Task {
    BatchSlot* slot;
    std::size_t position;
  };

  // The next image to decode. A batch that was opened is always handed out to its end, so that
  // waiting for it ends; the next one is not opened any more once the pipeline stops.
  std::optional<Task> next_task() {
    const std::lock_guard lock(dispatch_mutex_);
    if (filling_ == nullptr || next_position_ == filling_count_) {
      filling_ = nullptr;
      std::optional<BatchSlot*> slot;
      if (next_image_ < request_.images && !stopping_) {
        const TraceSpan span(request_.tracer, "wait for a buffer", next_image_ / batch_);
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
    return Task{filling_, next_position_++};
  }

  void decode_images() {
    while (true) {
      try {
        const std::optional<Task> task = next_task();
        if (!task) return;
        task->slot->set_outcome(task->position, decode(*task), [this] { decoded_.more(); });
      } catch (...) {  // memory ran out for a slot's list; next_task() now ends the decoding
        fail(std::current_exception());
      }
    }
  }

  // Never throws: each image of an opened slot gets its outcome.
  DecodeOutcome decode(const Task& task) const noexcept {
    try {
      if (stopping_) return {};
      return decode_into(request_, task.slot->first() + task.position,
                         task.slot->pixels(task.position));
    } catch (...) {  // memory ran out for the reason
      return {{}, std::current_exception()};
    }
  }

  void compute_batches(const std::function<void(std::size_t)>& progress,
                       const std::stop_token& stop) {
    while (!stopping_) {
      if (stop.stop_requested()) {
        interrupted_ = true;
        break;
      }
      BatchSlot* const next = next_decoded();
      if (next == nullptr || stopping_) break;  // stopping: some of its images were not decoded
      BatchSlot& slot = *next;
      const std::exception_ptr end = cut_at_failure(slot);
      slot.close_gaps();
      if (slot.rows() > 0) {
        const TraceSpan span(request_.tracer, "backbone", number(slot));
        slot.ticket = backbone_.submit(slot.images(), slot.rows(), slot.features());
      }
      under_way_.push_back(&slot);
      if (end) fail(end);
      if (under_way_.size() >= in_flight_) finish_oldest(progress);
    }
    while (!under_way_.empty()) finish_oldest(progress);
  }

  // Null when there are no more.
  BatchSlot* next_decoded() {
    const TraceSpan span(request_.tracer, "wait for photos");
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
        end = std::make_exception_ptr(Error(
            ErrorKind::data,
            fmt::format("{} is not a whole image: {}; remove it, or set data.on_bad_image to "
                        "\"skip\"",
                        request_.path(slot.first() + position).string(), outcome.bad_reason)));
      }
      if (end) {
        slot.cut(position);
        return end;
      }
    }
    return nullptr;
  }

  void finish_oldest(const std::function<void(std::size_t)>& progress) {
    BatchSlot* slot = under_way_.front();
    if (slot->rows() > 0) {
      const TraceSpan span(request_.tracer, "wait for the device", number(*slot));
      backbone_.wait(slot->ticket);
    }
    under_way_.pop_front();
    const std::size_t done = slot->first() + slot->count();
    if (sink_thread_ == SinkThread::own) {
      unwritten_.more();
      computed_.push(slot);
    } else {
      pass_to_sink(*slot);
      free_.push(slot);
    }
    progress(done);
  }

  // After a failure the device may still write into slots that are about to be freed.
  void abandon_device_work() {
    for (const BatchSlot* slot : under_way_) {
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
    const TraceSpan span(request_.tracer, "write", number(slot));
    FeatureBatch batch;
    for (std::size_t position = 0; position < slot.count(); ++position) {
      const std::string& reason = slot.outcomes()[position].bad_reason;
      if (reason.empty()) {
        batch.images.push_back(slot.first() + position);
      } else {
        batch.bad.push_back({slot.first() + position, reason});
      }
    }
    batch.features = {slot.features().data(), slot.rows(), request_.shape.count()};
    sink_(batch);
  }

  std::size_t number(const BatchSlot& slot) const { return slot.first() / batch_; }

  void name_thread(const char* kind, std::size_t number) const noexcept {
    if (request_.tracer == nullptr) return;
    try {
      request_.tracer->name_thread(fmt::format("{} {}", kind, number));
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
    free_.close();
  }

  const PipelineRequest& request_;
  Backbone& backbone_;
  const std::function<void(const FeatureBatch&)>& sink_;
  const SinkThread sink_thread_;
  const std::size_t batch_;
  const std::size_t in_flight_;
  std::vector<std::unique_ptr<BatchSlot>> slots_;
  BoundedQueue<BatchSlot*> free_;
  BoundedQueue<BatchSlot*> opened_;    // in the order of the images; being decoded
  BoundedQueue<BatchSlot*> computed_;  // in the order of the images; for the sink's own thread
  std::deque<BatchSlot*> under_way_;   // submitted to the backbone, oldest first
  TraceCounter decoded_, unwritten_;   // that wait for the backbone, for the sink's own thread

  std::mutex dispatch_mutex_;  // guards the four below
  BatchSlot* filling_ = nullptr;
  std::size_t filling_count_ = 0;
  std::size_t next_position_ = 0;
  std::size_t next_image_ = 0;

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
    if (position != rows_) {
      std::memcpy(pixels(rows_).data(), pixels(position).data(), image_bytes_);
    }
    ++rows_;
  }
}

void check_pipeline_memory(const PipelineRequest& request, const Backend& backend) {
  const ImageSize size = request.data.image_size;
  const double image_bytes =
      3.0 * size.height * size.width + static_cast<double>(request.shape.count()) * sizeof(float);
  const std::size_t batch = batch_capacity(request);
  const std::size_t slots = pipeline_slots(batches_in_flight(request, backend));
  check_memory(fmt::format("Reading images of {}×{} in {} batches of {} at a time", size.height,
                           size.width, slots, batch),
               static_cast<double>(slots) * static_cast<double>(batch) * image_bytes,
               "choose a smaller backbone.batch_size, pipeline.depth or data.image_size");
}

void run_pipeline(const PipelineRequest& request, Backend& backend, Backbone& backbone,
                  const std::function<void(const FeatureBatch&)>& sink, SinkThread sink_thread,
                  const std::function<void(std::size_t)>& progress, std::stop_token stop) {
  if (request.images == 0) return;
  if (request.batch_size == 0) throw Error(ErrorKind::usage, "batch_size must be at least 1");
  check_pipeline_memory(request, backend);
  Pipeline(request, backend, backbone, sink, sink_thread).run(progress, stop);
}

}  // namespace graft
