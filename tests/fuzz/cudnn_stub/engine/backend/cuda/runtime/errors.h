#pragma once
// In place of the header of the same name, which needs CUDA.
