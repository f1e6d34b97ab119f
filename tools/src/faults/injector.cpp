// A library for LD_PRELOAD that counts the operations on files below a folder, and makes the n-th of them go wrong:
//   FAULT_ROOT  the folder, an absolute path
//   FAULT_KIND  count, kill (before the operation), torn (in the middle of a write, behind any other operation), enospc (from then on), eacces
//   FAULT_AT    n, from 1
//   FAULT_LOG   a file that gets a line for every operation: its number, its name, the path below the folder
// Programs that the process starts do not inherit it.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

std::string root, kind;
long at = 0;
long count = 0;
bool full = false;
int logFile = -1;
std::mutex guard;

template <typename F>
F real(const char *name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

// Reads the settings and removes them from the environment, so that programs that are started do not inherit them.
struct Settings {
  Settings() {
    const char *folder = getenv("FAULT_ROOT");
    if (folder == nullptr) return;
    root = std::string(folder) + "/";
    kind = getenv("FAULT_KIND") ? getenv("FAULT_KIND") : "count";
    at = getenv("FAULT_AT") ? atol(getenv("FAULT_AT")) : 0;
    const char *log = getenv("FAULT_LOG");
    if (log != nullptr) logFile = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (const char *name : {"FAULT_ROOT", "FAULT_KIND", "FAULT_AT", "FAULT_LOG", "LD_PRELOAD"}) unsetenv(name);
  }
} settings;

// The absolute path of a name; links in it are not followed.
std::string absolute(const char *path) {
  if (path[0] == '/') return path;
  char here[PATH_MAX];
  if (getcwd(here, sizeof here) == nullptr) return path;
  return std::string(here) + "/" + path;
}

bool isBelow(const std::string &path) { return !root.empty() && path.compare(0, root.size(), root) == 0; }

std::string pathOf(int file) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  return length > 0 ? std::string(path, (size_t)length) : std::string();
}

enum class Step { go, fail, tear };

// Counts an operation. What takes space fails on a full disk, what names a path can be forbidden.
Step step(const char *name, const std::string &path, bool takesSpace, bool namesPath) {
  std::lock_guard<std::mutex> hold(guard);
  count++;
  if (logFile >= 0) {
    const std::string line = std::to_string(count) + " " + name + " " + (takesSpace ? "space" : "-") + " " + (namesPath ? "path" : "-") + " " + path.substr(root.size()) + "\n";
    syscall(SYS_write, logFile, line.data(), line.size());
  }
  if (count == at && kind == "kill") kill(getpid(), SIGKILL);
  if (count == at && kind == "torn") return Step::tear;
  if (count >= at && kind == "enospc") full = true;
  if (full && takesSpace) {
    errno = ENOSPC;
    return Step::fail;
  }
  if (count == at && kind == "eacces" && namesPath) {
    errno = EACCES;
    return Step::fail;
  }
  return Step::go;
}

// An operation that is done or not: done, and then the process ends, where it is torn.
template <typename Do>
auto whole(Step what, Do act) -> decltype(act()) {
  if (what == Step::fail) return -1;
  const auto result = act();
  if (what == Step::tear) kill(getpid(), SIGKILL);
  return result;
}

bool writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0; }

template <typename Open>
int opened(const std::string &path, int flags, Open act) {
  if (!writes(flags) || !isBelow(path)) return act();
  return whole(step("open", path, (flags & O_CREAT) != 0, true), act);
}

// A write: half of its bytes, and then the process ends, where it is torn.
template <typename Write>
ssize_t written(const char *name, int file, const void *bytes, size_t length, Write act) {
  const std::string path = root.empty() ? std::string() : pathOf(file);
  if (!isBelow(path)) return act(bytes, length);
  const Step what = step(name, path, true, false);
  if (what == Step::fail) return -1;
  if (what == Step::tear) {
    act(bytes, length / 2);
    kill(getpid(), SIGKILL);
  }
  return act(bytes, length);
}

mode_t modeOf(int flags, va_list rest) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0; }

}  // namespace

#define OPEN(NAME)                                                                             \
  extern "C" int NAME(const char *path, int flags, ...) {                                      \
    va_list rest;                                                                              \
    va_start(rest, flags);                                                                     \
    const mode_t mode = modeOf(flags, rest);                                                   \
    va_end(rest);                                                                              \
    static auto next = real<int (*)(const char *, int, ...)>(#NAME);                           \
    if (root.empty()) return next(path, flags, mode);                                          \
    return opened(absolute(path), flags, [&] { return next(path, flags, mode); });             \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(NAME)                                                                           \
  extern "C" int NAME(int folder, const char *path, int flags, ...) {                          \
    va_list rest;                                                                              \
    va_start(rest, flags);                                                                     \
    const mode_t mode = modeOf(flags, rest);                                                   \
    va_end(rest);                                                                              \
    static auto next = real<int (*)(int, const char *, int, ...)>(#NAME);                      \
    if (root.empty() || folder != AT_FDCWD) return next(folder, path, flags, mode);            \
    return opened(absolute(path), flags, [&] { return next(folder, path, flags, mode); });     \
  }
OPENAT(openat)
OPENAT(openat64)

extern "C" ssize_t write(int file, const void *bytes, size_t length) {
  static auto next = real<ssize_t (*)(int, const void *, size_t)>("write");
  return written("write", file, bytes, length, [&](const void *b, size_t n) { return next(file, b, n); });
}

#define PWRITE(NAME, OFFSET)                                                                    \
  extern "C" ssize_t NAME(int file, const void *bytes, size_t length, OFFSET offset) {          \
    static auto next = real<ssize_t (*)(int, const void *, size_t, OFFSET)>(#NAME);             \
    return written("write", file, bytes, length, [&](const void *b, size_t n) { return next(file, b, n, offset); }); \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

// Several parts are written as the first of them alone; callers go on with the rest.
extern "C" ssize_t writev(int file, const struct iovec *parts, int number) {
  static auto next = real<ssize_t (*)(int, const struct iovec *, int)>("writev");
  if (root.empty() || number < 1 || !isBelow(pathOf(file))) return next(file, parts, number);
  return write(file, parts[0].iov_base, parts[0].iov_len);
}

#define PWRITEV(NAME, OFFSET)                                                                   \
  extern "C" ssize_t NAME(int file, const struct iovec *parts, int number, OFFSET offset) {     \
    static auto next = real<ssize_t (*)(int, const struct iovec *, int, OFFSET)>(#NAME);        \
    if (root.empty() || number < 1 || !isBelow(pathOf(file))) return next(file, parts, number, offset); \
    return pwrite64(file, parts[0].iov_base, parts[0].iov_len, offset);                         \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

// libuv tries these for copies and falls back to reading and writing.
extern "C" ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t length, unsigned flags) {
  static auto next = real<ssize_t (*)(int, off64_t *, int, off64_t *, size_t, unsigned)>("copy_file_range");
  if (!root.empty() && isBelow(pathOf(to))) {
    errno = ENOSYS;
    return -1;
  }
  return next(from, a, to, b, length, flags);
}

#define SENDFILE(NAME, OFFSET)                                                                  \
  extern "C" ssize_t NAME(int to, int from, OFFSET *offset, size_t length) {                    \
    static auto next = real<ssize_t (*)(int, int, OFFSET *, size_t)>(#NAME);                    \
    return written("write", to, nullptr, length, [&](const void *, size_t n) { return next(to, from, offset, n); }); \
  }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

#define ONE_PATH(NAME, SPACE, ...)                                                              \
  extern "C" int NAME(const char *path __VA_OPT__(, mode_t mode)) {                             \
    static auto next = real<int (*)(const char * __VA_OPT__(, mode_t))>(#NAME);                 \
    if (root.empty() || !isBelow(absolute(path))) return next(path __VA_OPT__(, mode));         \
    return whole(step(#NAME, absolute(path), SPACE, true), [&] { return next(path __VA_OPT__(, mode)); }); \
  }
ONE_PATH(unlink, false)
ONE_PATH(rmdir, false)
ONE_PATH(mkdir, true, mode)

#define TWO_PATHS(NAME, SPACE)                                                                  \
  extern "C" int NAME(const char *from, const char *to) {                                       \
    static auto next = real<int (*)(const char *, const char *)>(#NAME);                        \
    if (root.empty() || !isBelow(absolute(to))) return next(from, to);                          \
    return whole(step(#NAME, absolute(to), SPACE, true), [&] { return next(from, to); });       \
  }
TWO_PATHS(rename, false)
TWO_PATHS(link, true)
TWO_PATHS(symlink, true)

#define ONE_FILE(NAME)                                                                          \
  extern "C" int NAME(int file) {                                                               \
    static auto next = real<int (*)(int)>(#NAME);                                               \
    const std::string path = root.empty() ? std::string() : pathOf(file);                       \
    if (!isBelow(path)) return next(file);                                                      \
    return whole(step("fsync", path, true, false), [&] { return next(file); });                 \
  }
ONE_FILE(fsync)
ONE_FILE(fdatasync)

#define TRUNCATE(NAME, OFFSET)                                                                  \
  extern "C" int NAME(int file, OFFSET length) {                                                \
    static auto next = real<int (*)(int, OFFSET)>(#NAME);                                       \
    const std::string path = root.empty() ? std::string() : pathOf(file);                       \
    if (!isBelow(path)) return next(file, length);                                              \
    return whole(step("truncate", path, false, false), [&] { return next(file, length); });     \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)
