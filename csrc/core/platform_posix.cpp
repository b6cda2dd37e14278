// Linux, macOS and the BSDs.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "core/platform.h"

namespace pyseq::platform {
namespace {

// The first two words of a small file as numbers, 0 for what is none or not there. No std::ifstream, with which
// half a megabyte of locales would come.
struct Quota {
  double quota = 0, period = 0;
};
[[maybe_unused]] Quota read_quota(const char* path, const char* period_path = nullptr) {
  const auto text = [](const char* from) {
    char bytes[64] = {};
    InputFile file(from);
    if (file.opened()) file.read(bytes, sizeof bytes - 1);
    return std::string(bytes);
  };
  const std::string words = text(path) + ' ' + (period_path ? text(period_path) : "");
  char* rest = nullptr;
  const double quota = std::strtod(words.c_str(), &rest);
  return {quota, std::strtod(rest, nullptr)};
}

// What control groups leave to this process.
[[maybe_unused]] double processors_of_group() {
  for (const Quota& q : {read_quota("/sys/fs/cgroup/cpu.max"),
                         read_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us")})
    if (q.quota > 0 && q.period > 0) return q.quota / q.period;
  return 1e9;
}

}  // namespace

int usable_processors() {
  int n = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
  n = std::min(n, static_cast<int>(std::ceil(processors_of_group())));
#endif
  return std::max(1, n);
}

bool allow_tiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl(2)
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

void after_copy_of_process(void (*child)()) { pthread_atfork(nullptr, nullptr, child); }

void* aligned_memory(std::size_t bytes, std::size_t alignment) {
  void* data = nullptr;
  return posix_memalign(&data, alignment, bytes) ? nullptr : data;
}

void release_memory(void* data) { std::free(data); }

void want_large_pages([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__)
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
}

namespace {
// macOS takes no more than 2^31 - 1 in one call.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;
}  // namespace

std::string failure() { return std::strerror(errno); }

InputFile::InputFile(const std::string& path) : handle_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}

InputFile::~InputFile() {
  if (opened()) close(static_cast<int>(handle_));
}

std::int64_t InputFile::bytes() const {
  struct stat status;
  if (fstat(static_cast<int>(handle_), &status) || !S_ISREG(status.st_mode)) return -1;
  return status.st_size;
}

std::int64_t InputFile::read(void* to, std::size_t bytes) {
  for (;;) {
    const ssize_t got = ::read(static_cast<int>(handle_), to, std::min(bytes, kMostBytes));
    if (got >= 0 || errno != EINTR) return got;
  }
}

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)),
      temporary_(path_ + ".tmp" + std::to_string(getpid())),
      handle_(open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {}

bool OutputFile::close() {
  const int descriptor = static_cast<int>(handle_);
  handle_ = kNone;
  return ::close(descriptor) == 0;
}

OutputFile::~OutputFile() {
  if (!opened()) return;
  close();
  unlink(temporary_.c_str());
}

bool OutputFile::write(const void* data, std::size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t went = ::write(static_cast<int>(handle_), from, std::min(bytes, kMostBytes));
    if (went < 0 && errno == EINTR) continue;
    if (went < 0) return false;
    from += went;
    bytes -= static_cast<std::size_t>(went);
  }
  return true;
}

bool OutputFile::finish() {
  bool good = fsync(static_cast<int>(handle_)) == 0;
  good = close() && good;
  if (good && std::rename(temporary_.c_str(), path_.c_str()) == 0) return true;
  const int why = errno;
  unlink(temporary_.c_str());
  errno = why;
  return false;
}

std::string library_name(const std::string& stem) {
#if defined(__APPLE__)
  return "lib" + stem + ".dylib";
#else
  return "lib" + stem + ".so";
#endif
}

std::string folder_of(const void* address) {
  Dl_info info;
  if (!dladdr(address, &info) || !info.dli_fname) return "";
  const std::string path = info.dli_fname;
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

void* load_library(const std::string& path, std::string& why) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library) return library;
  const char* const reason = dlerror();
  why = reason ? reason : "";
  return nullptr;
}

void* symbol(void* library, const char* name) { return dlsym(library, name); }

namespace {

using Handler = void (*)(int);

// The system may run the handler on any thread.
std::atomic<std::atomic<bool>*> told{nullptr};
std::atomic<Handler> of_program{nullptr};  // what the handler of `before` calls
static_assert(std::atomic<Handler>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
struct sigaction before;

void note(int signal) {
  told.load()->store(true);
  of_program.load()(signal);
}

}  // namespace

bool watch_interrupts(std::atomic<bool>& arrived) {
  struct sigaction ours {};
  if (sigaction(SIGINT, nullptr, &before) != 0) return false;
  const Handler handler = before.sa_handler;
  if (handler == SIG_DFL || handler == SIG_IGN || (before.sa_flags & SA_SIGINFO)) return false;
  told = &arrived;
  of_program = handler;
  ours = before;
  ours.sa_handler = note;
  return sigaction(SIGINT, &ours, nullptr) == 0;
}

void unwatch_interrupts() { sigaction(SIGINT, &before, nullptr); }

}  // namespace pyseq::platform
