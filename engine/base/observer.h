#pragma once
// Progress and messages of the engine. The engine calls an observer from the thread that called the
// engine; the program decides how it looks (terminal, plain lines, log file, nothing).

#include <cstddef>
#include <string_view>

namespace graft {

class Observer {
 public:
  virtual ~Observer() = default;
  // A stage of known length begins: "features/train", 2000, "images". Stages do not nest.
  virtual void begin(std::string_view stage, std::size_t total, std::string_view unit) = 0;
  virtual void advance(std::size_t done_in_all) = 0;
  virtual void end() = 0;
  virtual void note(std::string_view sentence) = 0;  // a decision of the engine and its reason
  virtual void warn(std::string_view sentence) = 0;  // probably not what the user wants
  virtual void row(std::string_view line) = 0;       // a line of a result table (an epoch)
};

// One stage of an observer's, ended on every way out.
class Stage {
 public:
  Stage(Observer& observer, std::string_view name, std::size_t total, std::string_view unit)
      : observer_(observer) {
    observer_.begin(name, total, unit);
  }
  ~Stage() { observer_.end(); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

 private:
  Observer& observer_;
};

// Ignores all. A program may override what it shows.
class SilentObserver : public Observer {
 public:
  void begin(std::string_view, std::size_t, std::string_view) override {}
  void advance(std::size_t) override {}
  void end() override {}
  void note(std::string_view) override {}
  void warn(std::string_view) override {}
  void row(std::string_view) override {}
};

}  // namespace graft
