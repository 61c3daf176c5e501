#pragma once
// Priority of background threads.

namespace graft {

// Lowers the priority of the calling thread for good: it gets about a tenth of a core that another
// thread wants, and all of an idle one. Does nothing where the system refuses.
void step_back() noexcept;

}  // namespace graft
