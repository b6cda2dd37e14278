// What the core asks of the system: files by names of any language, written whole or not at all; aligned memory;
// libraries; Ctrl-C.
#include "core/platform.h"

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "check.h"
#include "mlp.h"

namespace {

namespace fs = std::filesystem;

fs::path fs_path(const std::string& utf8) { return fs::path(std::u8string(utf8.begin(), utf8.end())); }

std::string utf8(const fs::path& path) {
  const std::u8string text = path.u8string();
  return std::string(text.begin(), text.end());
}

std::string contents(const std::string& path) {
  platform::InputFile file(path);
  if (!file.opened()) return "not opened";
  std::string all(static_cast<std::size_t>(file.bytes()), '?');
  for (std::size_t at = 0; at < all.size();) {
    const std::int64_t got = file.read(all.data() + at, all.size() - at);
    if (got <= 0) return "cut off";
    at += static_cast<std::size_t>(got);
  }
  char more;
  return file.read(&more, 1) == 0 ? all : "not at its end";
}

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

void write(const std::string& path, const std::string& text, bool finish = true) {
  platform::OutputFile file(path);
  CHECK(file.opened());
  CHECK(file.write(text.data(), text.size()));
  if (finish) CHECK(file.finish());
}

void files(const std::string& folder) {
  const std::string path = folder + "/m\xC3\xB6""del \xE6\xA8\xA1\xE5\x9E\x8B.pyseq";
  write(path, "first");
  CHECK(fs::exists(fs_path(path)));
  CHECK(contents(path) == "first");
  write(path, std::string("second\0, longer", 15));
  CHECK(contents(path) == std::string("second\0, longer", 15));
  write(path, "third", false);
  CHECK(contents(path).substr(0, 6) == "second");
  CHECK(entries(fs_path(folder)) == 1);
  {
    platform::OutputFile one(path), another(path);  // of this process: one at a time
    CHECK(one.opened() && !another.opened());
  }
  platform::OutputFile nowhere(folder + "/none/model.pyseq");
  CHECK(!nowhere.opened() && !platform::failure().empty());
  platform::InputFile none(folder + "/none.pyseq");
  CHECK(!none.opened() && !platform::failure().empty());
  platform::InputFile here(folder);
  CHECK(!here.opened() || here.bytes() == -1);
  CHECK_ERROR(Model::load(folder + "/none.pyseq"), "none.pyseq: expected a readable file: ");
  CHECK_ERROR(Model::load(folder), ": expected a ");
}

void models(const std::string& folder) {
  // Longer than Windows takes without further ado, in parts that every system takes.
  std::string deep = folder;
  for (int i = 0; i < 3; ++i) deep += "/" + std::string(100, static_cast<char>('a' + i));
#if defined(_WIN32)
  fs::create_directories(fs_path("\\\\?\\" + utf8(fs_path(deep).make_preferred())));
#else
  fs::create_directories(deep);
#endif
  const std::string path = deep + "/\xCE\xB1.pyseq";
  const Data data = make_data(3);
  const Model model(std::make_shared<Program>(mlp(false)), mlp_variables());
  model.save(path, 3, data.x.data());
  model.save(path, 3, data.x.data());
  const Model loaded = Model::load(path);
  std::vector<float> a(9), b(9);
  model.predict(3, data.x.data(), a.data());
  loaded.predict(3, data.x.data(), b.data());
  CHECK(a == b);
}

void memory() {
  for (const std::size_t alignment : {std::size_t{64}, std::size_t{2} << 20}) {
    void* const data = platform::aligned_memory(3 * alignment, alignment);
    CHECK(data && reinterpret_cast<std::uintptr_t>(data) % alignment == 0);
    platform::want_large_pages(data, 2 * alignment);
    std::memset(data, 1, 3 * alignment);
    platform::release_memory(data);
  }
}

int anything;

void libraries() {
  std::string why;
  CHECK(!platform::load_library(platform::library_name("pyseq_is_not_there"), why) && !why.empty());
  const std::string folder = platform::folder_of(&anything);
  CHECK(folder.empty() || fs::is_directory(fs_path(folder)));
}

std::atomic<int> handled{0};
void handler(int) { ++handled; }

void interrupts() {
  std::atomic<bool> arrived{false};
  std::signal(SIGINT, SIG_DFL);
  CHECK(!platform::watch_interrupts(arrived));  // the program has no handler
  std::signal(SIGINT, handler);
  CHECK(platform::watch_interrupts(arrived) && !arrived);
  for (int i = 1; i <= 2; ++i) {
    std::raise(SIGINT);
    CHECK(arrived.exchange(false) && handled == i);
  }
  platform::unwatch_interrupts();
  std::raise(SIGINT);
  CHECK(!arrived && handled == 3);
  std::signal(SIGINT, SIG_DFL);
}

}  // namespace

int main() {
  CHECK(platform::usable_processors() >= 1);
  const fs::path folder = fs::temp_directory_path() / ("pyseq_platform_" + std::to_string(std::random_device()()));
  fs::create_directories(folder / "files");
  files(utf8(folder / "files"));
  models(utf8(folder));
  memory();
  libraries();
  interrupts();
#if defined(_WIN32)
  fs::remove_all(fs_path("\\\\?\\" + utf8(folder)));
#else
  fs::remove_all(folder);
#endif
  return report("platform_test");
}
