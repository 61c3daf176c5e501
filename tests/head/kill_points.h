#pragma once
// SIGKILL at a chosen moment, for tests of what is left on disk.

namespace graft::test {

// From now on this process kills itself just before its (count + 1)-th call of rename, unlink,
// fsync or fdatasync: the moments between which the content of a folder, as a restart sees it,
// changes. kill_points.cpp defines these four for the whole test program.
void die_after_file_operations(long count);

}  // namespace graft::test
