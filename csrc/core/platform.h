#pragma once
// What the core asks of the operating system. platform_posix.cpp and platform_windows.cpp answer, one of
// them in a build; no other file of csrc names a function or header of a system. Paths are UTF-8.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace pyseq::platform {

// --- processors and processes

// Processors that this process may use, 1 or more.
int usable_processors();
// The system's permission for AMX tiles, on a CPU that has them.
bool allow_tiles();
// Has `child` called in each process that comes of this one by a copy of its memory.
void after_copy_of_process(void (*child)());

// --- memory

// At a multiple of `alignment`, a power of two; null where there is none. For release_memory alone.
void* aligned_memory(std::size_t bytes, std::size_t alignment);
void release_memory(void* data);
// Asks for large pages under memory that has not been touched, at a multiple of their size.
void want_large_pages(void* data, std::size_t bytes);

// --- files

// Why the last call of this part failed on this thread, in the system's words.
std::string failure();

// A file that is read, not mapped: whoever writes to it, or cuts it off, meanwhile harms nobody. Opening never
// waits, whatever lies at the path.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  bool opened() const { return handle_ != kNone; }
  std::int64_t bytes() const;  // -1: not a regular file
  std::int64_t read(void* to, std::size_t bytes);  // how many came, 0 at the end, -1 after a failure

 private:
  static constexpr std::intptr_t kNone = -1;
  std::intptr_t handle_;
};

// A file that takes the place of `path` when it is whole and on the disk, and not before.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();  // without a `finish` that succeeded nothing is left
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  bool opened() const { return handle_ != kNone; }
  bool write(const void* data, std::size_t bytes);
  bool finish();

 private:
  static constexpr std::intptr_t kNone = -1;
  bool close();
  std::string path_, temporary_;
  std::intptr_t handle_;
};

// --- libraries

std::string library_name(const std::string& stem);  // libstem.so, libstem.dylib, stem.dll
// Of the library or program that holds this address, with the last slash; "" where it is not known.
std::string folder_of(const void* address);
// Null, and why, where it cannot be loaded. Stays loaded.
void* load_library(const std::string& path, std::string& why);
void* symbol(void* library, const char* name);

// --- Ctrl-C

// From here to `unwatch_interrupts`, Ctrl-C sets `arrived` and then does what the program has set for it.
// False, and nothing is watched: the program has set nothing. One at a time.
bool watch_interrupts(std::atomic<bool>& arrived);
void unwatch_interrupts();

}  // namespace pyseq::platform
