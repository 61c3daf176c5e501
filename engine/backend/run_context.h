#pragma once
// What every step of a run needs besides its data.

#include <stop_token>

#include "engine/backend/backend.h"
#include "engine/base/observer.h"
#include "engine/base/trace.h"

namespace graft {

// All is borrowed.
struct RunContext {
  Backend& backend;
  Observer& observer;
  Tracer* tracer = nullptr;  // receives spans and counts; may be null
  std::stop_token stop = {};
};

}  // namespace graft
