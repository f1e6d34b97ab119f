#!/usr/bin/env bash
# Starts a Slurm of one node on this machine, for tests and to try job scripts: munged, slurmctld and slurmd, all for the present user, all
# files in one folder, listening on the loopback address alone.
#   tools/slurm/one-node-slurm.sh start FOLDER [CPUS]   prints the SLURM_CONF to export
#   tools/slurm/one-node-slurm.sh stop FOLDER
# Debian: apt-get install --no-install-recommends slurmctld slurmd slurm-client munge
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"

usage() {
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

# Kills what this script started, by the numbers in its files.
stop() {
  local name pid
  for name in slurmd slurmctld munged; do
    [[ -f $1/$name.pid ]] || continue
    pid=$(<"$1/$name.pid")
    if [[ $pid =~ ^[0-9]+$ && $(cat "/proc/$pid/comm" 2>/dev/null) == "$name" ]]; then
      kill "$pid" || true
      for _ in {1..100}; do [[ -d /proc/$pid ]] || break; sleep 0.1; done
    fi
    rm -f "$1/$name.pid"
  done
}

# A port on which nobody listens.
free_port() {
  local port
  for _ in {1..50}; do
    port=$((20000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  echo "no free port" >&2
  exit 1
}

start() {
  local folder=$1 cpus=$2 host user memory
  host=$(hostname -s) user=$(id -un)
  memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
  for program in munged slurmctld slurmd sbatch; do
    command -v "$program" >/dev/null || { echo "$program is not installed: apt-get install slurmctld slurmd slurm-client munge" >&2; exit 1; }
  done
  mkdir -p "$folder/state" "$folder/spool"
  folder=$(cd "$folder" && pwd)
  chmod 755 "$folder"
  (umask 077 && head -c 128 /dev/urandom >"$folder/munge.key")
  cat >"$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
JobRequeue=1
MpiDefault=none
KillWait=5
ReturnToService=2
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
  export SLURM_CONF=$folder/slurm.conf
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
  for _ in {1..100}; do [[ -S $folder/munge.socket ]] && break; sleep 0.1; done
  slurmctld -f "$SLURM_CONF"
  slurmd -f "$SLURM_CONF"
  for _ in {1..300}; do
    [[ $(sinfo -h -o %T 2>/dev/null) == idle ]] && { echo "$SLURM_CONF"; return; }
    sleep 0.1
  done
  echo "the node is not idle after 30 s:" >&2
  tail -n 5 "$folder/slurmctld.log" "$folder/slurmd.log" >&2 || true
  stop "$folder"
  exit 1
}

(($# >= 2)) || usage
case $1 in
  start) start "$2" "${3:-$(nproc)}" ;;
  stop) stop "$2" ;;
  *) usage ;;
esac
