#!/usr/bin/env bash
# One machine's part of a training or an ingest over several machines; run it on each of them with the same arguments.
#
#   torchrun.sh train JOB                 a network, from the folder that `topicidx train SOURCE --prepare` printed
#   torchrun.sh train_text JOB            topics, from the folder that `topicidx train SOURCE --only text --prepare` printed
#   torchrun.sh ingest SOURCE [OPTION]... pictures to the Qdrant server of TOPICIDX_STORE, each process its share
#
# NNODES         machines, 1 by default
# NPROC          processes on each; by default one a GPU, or one where there is none
# RDZV_ENDPOINT  HOST:PORT of one of the machines, which all can reach; needed where NNODES is more than 1
# RDZV_ID        the same word on all machines, another for each run; `topicidx` by default
# TORCHRUN, TOPICIDX  the programs, where they are not in PATH
#
# Folders and pictures must have the same names on all machines, on a disk that they share.
set -euo pipefail

fail() {
  echo "error: $1" >&2
  exit 2
}

main() {
  local nnodes=${NNODES:-1} endpoint=${RDZV_ENDPOINT:-} torchrun=${TORCHRUN:-torchrun}
  [[ $nnodes =~ ^[1-9][0-9]*$ ]] || fail "NNODES=$nnodes: how many machines, such as 2"
  local nproc=${NPROC:-$(processes)}
  [[ $nproc =~ ^[1-9][0-9]*$ ]] || fail "NPROC=$nproc: how many processes on this machine, such as 4"
  [[ $# -ge 2 ]] || fail "usage: torchrun.sh train|train_text JOB, or torchrun.sh ingest SOURCE [OPTION]..."

  local launch=("$torchrun" --nnodes "$nnodes" --nproc-per-node "$nproc" --max-restarts 0)
  if ((nnodes == 1)); then
    launch+=(--standalone)
  else
    [[ $endpoint == *:* ]] || fail "RDZV_ENDPOINT=$endpoint: several machines need HOST:PORT of one of them, such as node1:29500"
    launch+=(--rdzv-backend c10d --rdzv-endpoint "$endpoint" --rdzv-id "${RDZV_ID:-topicidx}")
  fi
  # Threads of several processes on the same cores would wait for one another.
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((($(nproc) + nproc - 1) / nproc))}

  local what=$1
  shift
  case $what in
    train | train_text)
      [[ $# -eq 1 ]] || fail "$what takes the folder of one prepared training"
      [[ -d $1 ]] || fail "there is no folder $1 on $(hostname); it must be on a disk that all machines share"
      exec "${launch[@]}" -m "topicidx.embedders.$what" "$1"
      ;;
    ingest)
      [[ ${TOPICIDX_STORE:-} == http*://* ]] || fail "TOPICIDX_STORE must be the URL of a Qdrant server, such as http://qdrant:6333"
      exec "${launch[@]}" --no-python "${TOPICIDX:-topicidx}" ingest "$1" --store "$TOPICIDX_STORE" "${@:2}"
      ;;
    *) fail "there is no $what; there are train, train_text and ingest" ;;
  esac
}

# One process a GPU, one where there is none.
processes() {
  local gpus=0
  if command -v nvidia-smi > /dev/null; then
    gpus=$(nvidia-smi --list-gpus 2> /dev/null | grep --count '^GPU' || true)
  fi
  echo "$((gpus > 0 ? gpus : 1))"
}

main "$@"
