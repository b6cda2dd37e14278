"""Programs as headers of C++17: each op of a lowered model becomes a call of a small kernel.

`plan` lowers a model, puts ops together and gives values their memory; `steps` writes a plan of
sequences again for one step. `linear`, `recurrent`, `elementwise`, `shaping` and `normalizing`
write one kind of op by one function each, `TABLE` of each names them; `packing` lays weights out as
the kernels read them. `writer` collects what a header consists of, `header` puts it together. The
kernels are C++ themselves, in `kernels/`; a header holds the files that it needs.
"""
