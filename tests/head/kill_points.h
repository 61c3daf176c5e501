#pragma once
// SIGKILL at a chosen moment, in a child process, for tests of what is left on disk.

#include <functional>

namespace graft::test {

enum class Ending { finished, killed };

// Runs `work` in a forked child and waits for it. A child that ends in any other way than by itself
// or by SIGKILL fails the test.
Ending in_child(const std::function<void()>& work);

// From now on this process kills itself just before its (count + 1)-th call of rename, unlink,
// fsync or fdatasync: the moments between which the content of a folder, as a restart sees it,
// changes. kill_points.cpp defines these four for the whole test program.
void die_after_file_operations(long count);

[[noreturn]] void die();  // SIGKILL

}  // namespace graft::test
