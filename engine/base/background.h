#pragma once
// Threads whose work can wait a moment.

namespace graft {

// The calling thread steps back, for good: where another one of this process wants the core, it gets
// about a tenth of it, and a core that nobody wants it has for itself. A tenth and not nothing,
// because on a machine that is busy with other programs too it must still get on. Does nothing where
// the system refuses.
void step_back() noexcept;

}  // namespace graft
