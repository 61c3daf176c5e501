#pragma once
// The three lists behind SuitesOfBackend. `context` outlives what is prepared from them.

#include <string>
#include <utility>
#include <vector>

#include "bench/harness/case.h"
#include "bench/suites/case_list.h"
#include "bench/suites/suites_of_backend.h"

namespace graft::bench {

// The config's backbone at each point of the axes, and the axes of such a point.
std::vector<BackboneOptions> options_at(const Config& config, const Axes& axes);
std::vector<std::pair<std::string, std::string>> axes_of(const BackboneOptions& options);

CaseList backbone_cases(const SuiteContext& context, const Axes& axes);
CaseList head_cases(const SuiteContext& context, const Axes& axes);
CaseList pipeline_cases(const SuiteContext& context, const Axes& axes);

}  // namespace graft::bench
