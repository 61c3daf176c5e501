#include "engine/features/commit.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "engine/features/journal.h"
#include "engine/features/npy.h"

namespace graft {
namespace {

void rename_if_there(const std::filesystem::path& beside, const std::filesystem::path& path) {
  if (std::filesystem::exists(beside)) rename_durably(beside, path);
}

}  // namespace

void stage_companions(const SetPaths& paths, const FileList& list) {
  std::vector<std::uint32_t> labels;
  labels.reserve(list.rows.size());
  std::transform(list.rows.begin(), list.rows.end(), std::back_inserter(labels),
                 [](const FileRow& row) { return row.label; });
  write_npy(paths.next_labels, labels);
  write_file_whole(paths.next_files, std::string_view(file_list_json(list)));
}

void publish(const SetPaths& paths) {
  rename_if_there(paths.next_labels, paths.labels);
  rename_if_there(paths.partial, paths.npy);
  rename_if_there(paths.next_files, paths.files);
  remove_work_files(paths);
}

void commit_companions(const SetPaths& paths, const FileList& list) {
  remove_work_files(paths);  // or an earlier extraction's rows would be renamed too
  stage_companions(paths, list);
  JournalWriter journal = JournalWriter::create(paths.journal, {}, list.key);
  journal.commit();
  publish(paths);
}

void finish_interrupted_commit(const SetPaths& paths) {
  const auto journal = read_journal(paths.journal);
  if (journal && journal->committed) publish(paths);
}

void remove_work_files(const SetPaths& paths) {
  // A journal goes before the rows that it speaks of: rows alone are nothing to a later run.
  remove_file(paths.salvage_journal);
  remove_file(paths.salvage);
  remove_file(paths.journal);
  remove_file(paths.partial);
  remove_file(paths.next_labels);
  remove_file(paths.next_files);
}

}  // namespace graft
