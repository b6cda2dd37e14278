// Inference in real time: the bits of Session::run; in a call no allocation, no lock, no clock, no system
// call; memory of the caller's; weights shared; what has changed is told.
#if defined(__linux__)
#include <dlfcn.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <type_traits>
#include <vector>

#include "check.h"
#include "mlp.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

// What is counted: calls of glibc, which lets a program put its own in their place.
#if !defined(SANITIZED) && defined(__GLIBC__)
#define COUNTED 1
namespace {

std::atomic<bool> watching{false};
std::atomic<long> allocations{0}, locks{0}, clocks{0};

void note(std::atomic<long>& count) {
  if (watching.load(std::memory_order_relaxed)) ++count;
}

// The C library's own. `found` is no static local with an initialiser: libc++ locks a mutex for those.
template <class F>
F original(std::atomic<F>& found, const char* name) {
  F f = found.load(std::memory_order_relaxed);
  if (!f) found = f = reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
  return f;
}
std::atomic<int (*)(pthread_mutex_t*)> lock_mutex{nullptr};
std::atomic<int (*)(clockid_t, struct timespec*)> get_time{nullptr};

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t n) { return note(allocations), __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t each) { return note(allocations), __libc_calloc(n, each); }
void* realloc(void* p, std::size_t n) { return note(allocations), __libc_realloc(p, n); }
void free(void* p) {
  if (p) note(allocations);
  __libc_free(p);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  note(locks);
  return original(lock_mutex, "pthread_mutex_lock")(mutex);
}
int clock_gettime(clockid_t id, struct timespec* at) noexcept {
  note(clocks);
  return original(get_time, "clock_gettime")(id, at);
}
}
#endif

namespace {

struct Case {
  const char* name;
  ProgramSpec spec;
  std::vector<VariablePtr> variables;
  std::size_t in, out;  // reals of a row
};

OpSpec op(const char* kind, std::vector<int> inputs, std::vector<int> outputs, std::vector<int> params,
          Attributes attributes) {
  OpSpec o;
  o.kind = o.name = kind;
  o.inputs = std::move(inputs);
  o.outputs = std::move(outputs);
  o.params = std::move(params);
  o.attributes = std::move(attributes);
  return o;
}

using Int = std::int64_t;
using Ints = std::vector<Int>;

Case finished(Case c) {
  c.spec.inputs = {0};
  c.spec.outputs = {static_cast<int>(c.spec.slots.size()) - 1};
  unsigned seed = 1;
  for (const VariableSpec& v : c.spec.variables) c.variables.push_back(variable(v.shape, seed++));
  c.in = slot_row_bytes(c.spec, 0) / sizeof(float);
  c.out = slot_row_bytes(c.spec, c.spec.outputs[0]) / sizeof(float);
  return c;
}

Case dense() {
  Case c{"dense", mlp(false), {}, 0, 0};
  return finished(std::move(c));
}

Case convolution() {
  Case c{"convolution", {}, {}, 0, 0};
  c.spec.slots = {{12, 12, 3}, {12, 12, 16}, {6, 6, 16}, {576}, {10}};
  c.spec.ops = {op("conv", {0}, {1}, {0, 1},
                   {{"strides", Ints{1, 1}}, {"dilations", Ints{1, 1}}, {"pads_begin", Ints{1, 1}},
                    {"pads_end", Ints{1, 1}}, {"activation", std::string("relu")}}),
                op("max_pool", {1}, {2}, {},
                   {{"pool_size", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"pads_begin", Ints{0, 0}},
                    {"pads_end", Ints{0, 0}}}),
                op("reshape", {2}, {3}, {}, {{"dims", Ints{576}}}),
                op("dense", {3}, {4}, {2, 3}, {{"units", Int{10}}})};
  c.spec.variables = {{"k", {3, 3, 3, 16}}, {"b", {16}}, {"w", {576, 10}}, {"c", {10}}};
  return finished(std::move(c));
}

Case recurrent(bool stateful) {
  Case c{stateful ? "stateful" : "recurrent", {}, {}, 0, 0};
  c.spec.slots = {{5, 4}, {8}};
  c.spec.ops = {op("lstm", {0}, {1}, {0, 1, 2}, {{"units", Int{8}}})};
  c.spec.variables = {{"k", {4, 32}}, {"r", {8, 32}}, {"b", {32}}};
  if (stateful) {
    c.spec.ops[0].attributes["stateful"] = Int{1};
    c.spec.ops[0].params = {0, 1, 2, 3, 4};
    c.spec.variables.push_back({"h", {3, 8}});
    c.spec.variables.push_back({"c", {3, 8}});
  }
  return finished(std::move(c));
}

std::vector<Case> cases() {
  std::vector<Case> all;
  all.push_back(dense());
  all.push_back(convolution());
  all.push_back(recurrent(false));
  return all;
}

std::vector<float> numbers(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  return x;
}

constexpr Int kRows = 17;

void test_same_bits() {
  for (const Case& c : cases()) {
    Session session(std::make_shared<Program>(c.spec), c.variables);
    Prepared prepared = session.prepare(kRows);
    CHECK(prepared.max_rows() == kRows);
    const std::vector<float> x = numbers(c.in * kRows);
    for (Int n = 1; n <= kRows; ++n) {
      std::vector<float> a(c.out * kRows, 7.0f), b(c.out * kRows, 7.0f);
      const void* in[] = {x.data()};
      void* out[] = {a.data()};
      session.run(n, in, out);
      CHECK(prepared.run(n, x.data(), b.data()) == Status::ok);
      CHECK(a == b);
    }
  }
}

void test_takes_nothing() {
#if defined(COUNTED)
  for (const Case& c : cases()) {
    set_num_threads(2);
    Session session(std::make_shared<Program>(c.spec), c.variables);
    Prepared prepared = session.prepare(kRows);
    set_num_threads(1);  // elsewhere, meanwhile
    const std::vector<float> x = numbers(c.in * kRows);
    std::vector<float> y(c.out * kRows);
    Status status = Status::ok;
    // In a thread that has never called.
    std::thread([&] {
      watching = true;
      for (Int n = 1; n <= kRows; ++n)
        if (status == Status::ok) status = prepared.run(n, x.data(), y.data());
      watching = false;
    }).join();
    set_num_threads(0);
    CHECK(status == Status::ok);
  }
  CHECK(allocations == 0);
  CHECK(locks == 0);
  CHECK(clocks == 0);
  // The counters count.
  watching = true;
  int* volatile one = new int(3);
  delete one;
  watching = false;
  CHECK(allocations > 0);
#endif
}

void test_no_system_call() {
#if defined(__linux__) && !defined(SANITIZED)
  // Whatever a process under strict seccomp asks of the kernel beyond read, write and exit kills it.
  for (const Case& c : cases()) {
    Session session(std::make_shared<Program>(c.spec), c.variables);
    Prepared prepared = session.prepare(kRows);
    const std::vector<float> x = numbers(c.in * kRows);
    std::vector<float> y(c.out * kRows);
    const pid_t child = fork();
    if (child == 0) {
      if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) syscall(SYS_exit, 77);  // not allowed here
      bool good = true;
      for (int round = 0; round < 3; ++round)
        for (Int n = 1; n <= kRows; ++n) good = good && prepared.run(n, x.data(), y.data()) == Status::ok;
      syscall(SYS_exit, good ? 0 : 1);
    }
    int how = 0;
    CHECK(waitpid(child, &how, 0) == child);
    CHECK(WIFEXITED(how));
    CHECK(WIFEXITED(how) && (WEXITSTATUS(how) == 0 || WEXITSTATUS(how) == 77));
  }
#endif
}

void test_memory_of_the_caller() {
  for (const Case& c : cases()) {
    Session session(std::make_shared<Program>(c.spec), c.variables);
    const std::size_t bytes = session.memory_bytes(kRows);
    CHECK(bytes > 0 && session.memory_bytes(1) <= bytes);
    std::vector<unsigned char> room(bytes + 192, 0xA5);
    unsigned char* at = room.data() + 64;
    at += (64 - reinterpret_cast<std::uintptr_t>(at) % 64) % 64;
    Prepared prepared = session.prepare(kRows, at);
    const std::vector<float> x = numbers(c.in * kRows);
    std::vector<float> a(c.out * kRows), b(c.out * kRows);
    const void* in[] = {x.data()};
    void* out[] = {a.data()};
    session.run(kRows, in, out);
    CHECK(prepared.run(kRows, x.data(), b.data()) == Status::ok);
    CHECK(a == b);
    for (unsigned char* p = room.data(); p < at; ++p) CHECK(*p == 0xA5);
    for (unsigned char* p = at + bytes; p < room.data() + room.size(); ++p) CHECK(*p == 0xA5);
    CHECK_ERROR(session.prepare(kRows, at + 4), "multiple of 64");
  }
  Case c = dense();
  Session session(std::make_shared<Program>(c.spec), c.variables);
  CHECK_ERROR(session.prepare(0), "1 row or more");
  CHECK_ERROR(session.memory_bytes(-1), "1 row or more");
}

void test_rows_and_changes() {
  Case c = dense();
  Session session(std::make_shared<Program>(c.spec), c.variables);
  Prepared prepared = session.prepare(3);
  const std::vector<float> x = numbers(c.in * 4);
  std::vector<float> y(c.out * 4);
  CHECK(prepared.run(4, x.data(), y.data()) == Status::too_many_rows);
  CHECK(prepared.run(-1, x.data(), y.data()) == Status::too_many_rows);
  CHECK(prepared.run(0, x.data(), y.data()) == Status::ok);
  static_cast<float*>(c.variables[0]->data())[0] += 1;
  CHECK(prepared.run(1, x.data(), y.data()) == Status::stale);
  prepared = session.prepare(3);
  CHECK(prepared.run(1, x.data(), y.data()) == Status::ok);
  std::vector<float> a(c.out);
  const void* in[] = {x.data()};
  void* out[] = {a.data()};
  session.run(1, in, out);
  CHECK(std::memcmp(a.data(), y.data(), c.out * sizeof(float)) == 0);
  for (const Status s : {Status::ok, Status::too_many_rows, Status::bad_value, Status::stale})
    CHECK(std::strlen(to_text(s)) > 0);
}

void test_ids() {
  Case c{"ids", {}, {}, 0, 0};
  c.spec.slots = {{2}, {2, 3}};
  c.spec.ops = {op("embedding", {0}, {1}, {0}, {})};
  c.spec.variables = {{"e", {4, 3}}};
  c = finished(std::move(c));
  Session session(std::make_shared<Program>(c.spec), c.variables);
  Prepared prepared = session.prepare(1);
  float y[6];
  const float good[] = {0, 3}, bad[] = {0, 4};
  CHECK(prepared.run(1, good, y) == Status::ok);
  CHECK(prepared.run(1, bad, y) == Status::bad_value);
  CHECK(prepared.run(1, good, y) == Status::ok);
}

void test_states() {
  Case a = recurrent(true), b = recurrent(true);
  Session session(std::make_shared<Program>(a.spec), a.variables);
  Session other(std::make_shared<Program>(b.spec), b.variables);
  Prepared prepared = other.prepare(3);
  const std::vector<float> x = numbers(a.in * 3);
  std::vector<float> y(a.out * 3), z(a.out * 3);
  const void* in[] = {x.data()};
  void* out[] = {y.data()};
  for (int step = 0; step < 4; ++step) {
    session.run(3, in, out);
    CHECK(prepared.run(3, x.data(), z.data()) == Status::ok);
    CHECK(y == z);
  }
  CHECK(std::memcmp(std::as_const(*a.variables[3]).data(), std::as_const(*b.variables[3]).data(),
                    a.variables[3]->bytes()) == 0);
}

void test_threads() {
  Case c = convolution();
  auto session = std::make_unique<Session>(std::make_shared<Program>(c.spec), c.variables);
  const std::vector<float> x = numbers(c.in);
  std::vector<float> y(c.out);
  const void* in[] = {x.data()};
  void* out[] = {y.data()};
  session->run(1, in, out);
  std::vector<Prepared> each;
  for (int t = 0; t < 4; ++t) each.push_back(session->prepare(1));
  session.reset();  // they live on
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (Prepared& p : each)
    threads.emplace_back([&] {
      std::vector<float> z(c.out);
      for (int i = 0; i < 200; ++i)
        if (p.run(1, x.data(), z.data()) != Status::ok || z != y) ++wrong;
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

void test_refused() {
  ProgramSpec spec = mlp(false);
  OpSpec host = op("host", {3}, {4}, {}, {{"callback", Int{0}}});
  spec.slots.push_back({3});
  spec.ops.push_back(host);
  spec.outputs = {4};
  const HostFunction copy = [](Int n, const void* x, void* y) {
    std::memcpy(y, x, static_cast<std::size_t>(n) * 3 * sizeof(float));
  };
  Session session(std::make_shared<Program>(spec, std::vector<HostFunction>{copy}), mlp_variables());
  CHECK_ERROR(session.prepare(1), "Python function");
}

static_assert(noexcept(std::declval<Prepared&>().run(1, nullptr, static_cast<void*>(nullptr))));
static_assert(std::is_nothrow_move_constructible_v<Prepared>);

}  // namespace

int main() {
  test_same_bits();
  test_takes_nothing();
  test_no_system_call();
  test_memory_of_the_caller();
  test_rows_and_changes();
  test_ids();
  test_states();
  test_threads();
  test_refused();
  return report("prepared_test");
}
