// Windows 8 and later.
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <malloc.h>
#include <windows.h>

#include <algorithm>
#include <bit>
#include <csignal>
#include <mutex>
#include <thread>

#include "core/platform.h"

namespace pyseq::platform {
namespace {

std::wstring wide(const std::string& text) {
  const int size = static_cast<int>(text.size());
  std::wstring to(text.size(), L'\0');  // never more units than bytes
  to.resize(static_cast<std::size_t>(
      MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), size, to.data(), size)));
  return to;
}

std::string narrow(const std::wstring& text) {
  const int size = static_cast<int>(text.size());
  std::string to(3 * text.size(), '\0');
  to.resize(static_cast<std::size_t>(
      WideCharToMultiByte(CP_UTF8, 0, text.data(), size, to.data(), 3 * size, nullptr, nullptr)));
  return to;
}

// As functions of files take it: one that is longer than MAX_PATH has to be absolute and say so.
std::wstring wide_path(const std::string& path) {
  const std::wstring given = wide(path.c_str());
  if (given.size() < MAX_PATH - 24 || given.starts_with(L"\\\\")) return given;
  std::wstring full(32768, L'\0');
  const DWORD size = GetFullPathNameW(given.c_str(), static_cast<DWORD>(full.size()), full.data(), nullptr);
  if (size == 0 || size >= full.size()) return given;
  full.resize(size);
  return full.starts_with(L"\\\\") ? full : L"\\\\?\\" + full;
}

std::string text_of(DWORD error) {
  wchar_t text[512];
  DWORD size = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, error, 0, text,
                              static_cast<DWORD>(std::size(text)), nullptr);
  while (size > 0 && (text[size - 1] == L'\n' || text[size - 1] == L'\r' || text[size - 1] == L' ')) --size;
  return size ? narrow(std::wstring(text, size)) : "error " + std::to_string(error);
}

HANDLE handle_of(std::intptr_t handle) { return reinterpret_cast<HANDLE>(handle); }

constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // in one call

}  // namespace

int usable_processors() {
  DWORD_PTR own = 0, all = 0;
  // 0 in a process of several groups of processors.
  if (GetProcessAffinityMask(GetCurrentProcess(), &own, &all) && own) return std::popcount(std::uint64_t{own});
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

bool allow_tiles() { return false; }

void after_copy_of_process(void (*)()) {}  // there is no fork

void* aligned_memory(std::size_t bytes, std::size_t alignment) { return _aligned_malloc(bytes, alignment); }

void release_memory(void* data) { _aligned_free(data); }

void want_large_pages(void*, std::size_t) {}  // a privilege, and memory that is never paged out

std::string failure() { return text_of(GetLastError()); }

InputFile::InputFile(const std::string& path)
    : handle_(reinterpret_cast<std::intptr_t>(
          CreateFileW(wide_path(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                      nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr))) {}

InputFile::~InputFile() {
  if (opened()) CloseHandle(handle_of(handle_));
}

std::int64_t InputFile::bytes() const {
  LARGE_INTEGER size;
  if (GetFileType(handle_of(handle_)) != FILE_TYPE_DISK || !GetFileSizeEx(handle_of(handle_), &size)) return -1;
  return size.QuadPart;
}

std::int64_t InputFile::read(void* to, std::size_t bytes) {
  DWORD got = 0;
  const auto most = static_cast<DWORD>(std::min(bytes, kMostBytes));
  return ReadFile(handle_of(handle_), to, most, &got, nullptr) ? static_cast<std::int64_t>(got) : -1;
}

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)),
      temporary_(path_ + ".tmp" + std::to_string(GetCurrentProcessId())),
      handle_(reinterpret_cast<std::intptr_t>(CreateFileW(wide_path(temporary_).c_str(), GENERIC_WRITE, 0, nullptr,
                                                          CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr))) {}

bool OutputFile::close() {
  const HANDLE handle = handle_of(handle_);
  handle_ = kNone;
  return CloseHandle(handle);
}

OutputFile::~OutputFile() {
  if (!opened()) return;
  close();
  DeleteFileW(wide_path(temporary_).c_str());
}

bool OutputFile::write(const void* data, std::size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    DWORD went = 0;
    const auto most = static_cast<DWORD>(std::min(bytes, kMostBytes));
    if (!WriteFile(handle_of(handle_), from, most, &went, nullptr)) return false;
    from += went;
    bytes -= went;
  }
  return true;
}

bool OutputFile::finish() {
  bool good = FlushFileBuffers(handle_of(handle_));
  good = close() && good;
  const std::wstring temporary = wide_path(temporary_);
  if (good && MoveFileExW(temporary.c_str(), wide_path(path_).c_str(),
                          MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
    return true;
  const DWORD why = GetLastError();
  DeleteFileW(temporary.c_str());
  SetLastError(why);
  return false;
}

std::string library_name(const std::string& stem) { return stem + ".dll"; }

std::string folder_of(const void* address) {
  HMODULE module = nullptr;
  if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                          static_cast<LPCWSTR>(address), &module))
    return "";
  std::wstring path(32768, L'\0');
  const DWORD size = GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size()));
  if (size == 0 || size >= path.size()) return "";
  path.resize(size);
  const std::size_t slash = path.find_last_of(L"\\/");
  return slash == std::wstring::npos ? "" : narrow(path.substr(0, slash + 1));
}

// The libraries that it needs are looked for beside it, never in the current folder.
void* load_library(const std::string& path, std::string& why) {
  DWORD where = LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
  if (path.find_first_of("\\/") != std::string::npos) where |= LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR;
  const HMODULE library = LoadLibraryExW(wide(path).c_str(), nullptr, where);
  if (!library) why = text_of(GetLastError());
  return library;
}

void* symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

namespace {

using Handler = void (*)(int);

// The system calls handlers on a thread of their own, and each of them once.
std::mutex interrupts;
bool watched = false;
std::atomic<bool>* told = nullptr;
Handler of_program = nullptr;

void note(int signal) {
  Handler handler = nullptr;
  {
    const std::lock_guard<std::mutex> lock(interrupts);
    told->store(true);
    handler = of_program;
  }
  handler(signal);
  const std::lock_guard<std::mutex> lock(interrupts);
  if (watched) std::signal(SIGINT, note);
}

}  // namespace

bool watch_interrupts(std::atomic<bool>& arrived) {
  const std::lock_guard<std::mutex> lock(interrupts);
  told = &arrived;
  const Handler handler = std::signal(SIGINT, note);
  watched = handler != SIG_DFL && handler != SIG_IGN && handler != SIG_ERR;
  if (watched) of_program = handler;
  else if (handler != SIG_ERR) std::signal(SIGINT, handler);
  return watched;
}

void unwatch_interrupts() {
  const std::lock_guard<std::mutex> lock(interrupts);
  watched = false;
  std::signal(SIGINT, of_program);
}

}  // namespace pyseq::platform
