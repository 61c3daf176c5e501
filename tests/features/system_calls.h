#pragma once
// The system calls that change files, counted, so that a test can kill its process or fill the disk
// at any one of them. The program's own definitions of fdatasync, fsync, pwrite, ftruncate,
// posix_fallocate, rename, renameat2, unlink and unlinkat take the place of the C library's. Nothing is really synced:
// what a killed process leaves behind does not depend on it, and the tests are quick. Instead the
// order is watched that makes a power cut harmless. Reads of photos are counted, too, by open and
// pread.

#include <cstddef>
#include <cstdint>

namespace graft::test {

enum class Fault {
  none,     // count only
  kill,     // SIGKILL to this process before call number `at`; a write is half done
  no_space  // from call number `at` on: every call that needs space gets ENOSPC; a write is half
            // done
};

void arm_fault(Fault fault, std::size_t at);
std::size_t disarm_fault();  // how many calls were counted since arm_fault

// Without it renameat2 fails as on a file system that cannot exchange two files.
void allow_exchange(bool allowed);

// How often, since arm_fault, a file was written or renamed while another one had writes that were
// not synced: a journal must not speak of rows, nor a rename make a file visible, that are not on
// disk.
std::size_t writes_out_of_order();

// Since arm_fault: calls of fdatasync and fsync.
std::size_t syncs();

// Since arm_fault: how often files named .png were opened for reading, and the bytes that were read.
struct PhotoReads {
  std::size_t opens;
  std::uint64_t bytes;
};
PhotoReads photo_reads();

}  // namespace graft::test
