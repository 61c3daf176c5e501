import math
import unittest
from array import array

import support
from peers.work import Values, difference, mean_difference, read_npy


class Agreement(support.InFolder):
    def values(self, *floats: float) -> Values:
        return Values((len(floats),), array("f", floats))

    def test_is_the_largest_or_the_mean_difference_over_that_of_the_values(self) -> None:
        found, expected = self.values(0.0, 3.0), self.values(1.0, -4.0)
        self.assertEqual((difference(found, expected), mean_difference(found, expected)), (1.75, 8.0 / 5.0))

    def test_nothing_agrees_with_what_is_not_finite_or_all_zero(self) -> None:
        zero, one = self.values(0.0, 0.0), self.values(1.0, 1.0)
        for measure in (difference, mean_difference):
            self.assertEqual(measure(zero, zero), math.inf)
            for bad in (self.values(math.nan, 1.0), self.values(math.inf, 1.0)):
                self.assertEqual((measure(bad, one), measure(bad, bad)), (math.inf, math.inf))
            with self.assertRaisesRegex(ValueError, "shape"):
                measure(self.values(1.0), one)

    def npy(self, header: str, floats: array) -> Values:
        support.write_npy(self.folder / "values.npy", header, floats)
        return read_npy(self.folder / "values.npy")

    def test_reads_numpys_file(self) -> None:
        floats = array("f", [1, 2, 3, 4, 5, 6])
        found = self.npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", floats)
        self.assertEqual((found.shape, found.floats), ((2, 3), floats))

    def test_refuses_another_type_order_or_size(self) -> None:
        good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        for bad in (good.replace("<f4", "<i4"), good.replace("False", "True"), good.replace("2,", "3,")):
            with self.assertRaisesRegex(ValueError, "values.npy"):
                self.npy(bad, array("f", [1, 2]))


if __name__ == "__main__":
    unittest.main()
