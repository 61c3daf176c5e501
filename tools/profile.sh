#!/usr/bin/env bash
# Profiles the steady part of a run on the GPU and summarises the tool's report.
#   tools/profile.sh nsys|ncu CONFIG [--range RANGE] [--output FOLDER] [--dry-run] [-- OPTION...]
#     nsys      Nsight Systems: the longest kernels, copies beside computing, gaps
#     ncu       Nsight Compute: what each kernel moves of the device's memory, and how fast
#     RANGE     what `graft run --profile` takes: batches:2-4 (the default), epoch:2, …
#     FOLDER    for the tool's report and the run's results, default build/profile. Must be new,
#               empty or of an earlier profile, and is emptied first.
#     --dry-run prints the commands and runs none
#     OPTION... more options for graft: --set backbone.precision=fp16
# Exits with 1 if the tool is missing or something failed. Takes the program from build/release, or
# from GRAFT_PROGRAM.
. "$(dirname "$0")/common.sh"

usage="tools/profile.sh nsys|ncu CONFIG [--range RANGE] [--output FOLDER] [--dry-run] [-- OPTION...]"
graft=${GRAFT_PROGRAM:-$project/build/release/graft}
range=batches:2-4
folder=$project/build/profile
dry_run=false

[ $# -ge 2 ] || stop "name the tool and the config: $usage"
tool=$1
config=$2
shift 2
while [ $# -gt 0 ]; do
  case $1 in
    --range | --output)
      [ $# -ge 2 ] || stop "$1 needs a value: $usage"
      if [ "$1" = --range ]; then range=$2; else folder=$2; fi
      shift 2
      ;;
    --dry-run)
      dry_run=true
      shift
      ;;
    --)
      shift
      break
      ;;
    *) stop "unknown option $1: $usage" ;;
  esac
done

[ -n "$folder" ] || stop "--output needs a folder: $usage"
[ -n "$range" ] || stop "--range needs a range: $usage"

# An epoch needs the training; batches only the extraction.
case $range in
  epoch:*) command=run ;;
  *) command=extract ;;
esac
# An own folder: photos with features of an earlier run would not be computed again.
program=("$graft" "$command" "$config" --set device=cuda --output "$folder/run"
         --profile "$range" --trace "$folder/trace.json" "$@")
report=$folder/report

# To the end of the run, not only of the range: the trace is written at the end.
case $tool in
  nsys)
    package=cuda-nsight-systems-13-0
    profile=(nsys profile --trace "cuda,nvtx,cublas,cudnn,osrt" --cuda-graph-trace node
             --capture-range cudaProfilerApi --capture-range-end stop
             --force-overwrite true --output "$report")
    exported=$folder/report_export.txt
    export=(nsys stats --report cuda_gpu_kern_sum --report cuda_gpu_trace --format csv
            --force-export true --force-overwrite true --output "$report" "$report.nsys-rep")
    summary=(nsys --kernels "${report}_cuda_gpu_kern_sum.csv" --work "${report}_cuda_gpu_trace.csv")
    ;;
  ncu)
    package=cuda-nsight-compute-13-0
    metrics=gpu__time_duration.sum,dram__bytes_read.sum,dram__bytes_write.sum
    metrics+=,dram__throughput.avg.pct_of_peak_sustained_elapsed
    profile=(ncu --profile-from-start off --nvtx --metrics "$metrics"
             --force-overwrite --export "$report")
    export=(ncu --import "$report.ncu-rep" --csv --page raw --print-units base)
    exported=$report.csv
    summary=(ncu --kernels "$report.csv")
    ;;
  *) stop "unknown tool $tool; choose nsys or ncu: $usage" ;;
esac
summary=(python3 -B "$project/tools/profile_summary.py" "${summary[@]}" --trace "$folder/trace.json")

if "$dry_run"; then
  for line in profile export summary; do
    declare -n words=$line
    [ "$line" = profile ] && words+=("${program[@]}")
    printf '%q ' "${words[@]}"
    if [ "$line" = export ]; then printf '> %q' "$exported"; fi
    echo
  done
  exit
fi

command -v "$tool" >/dev/null || stop "$tool is not installed; it comes with the package $package"
[ -x "$graft" ] || stop "there is no $graft; build it first (tools/quickstart.sh), or name it in GRAFT_PROGRAM"
mark=$folder/.made_by_profile.sh
if [ ! -e "$mark" ] && [ -n "$(ls -A "$folder" 2>/dev/null)" ]; then
  stop "$folder holds files that are not of a profile; name a new folder in --output"
fi
rm -rf "$folder"
mkdir -p "$folder"
: >"$mark"
step "running under $tool ($range)"
"${profile[@]}" "${program[@]}" || stop "$tool or the run under it failed"
step "reading the report"
"${export[@]}" >"$exported" 2>"$folder/report_errors.txt" || {
  tail -n 20 "$exported" "$folder/report_errors.txt" >&2
  stop "$tool could not read its own report; see its messages above"
}
"${summary[@]}"
