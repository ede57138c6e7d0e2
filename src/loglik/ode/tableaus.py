"""Explicit Runge-Kutta methods as data: one Butcher tableau each.

Hairer, Norsett, Wanner 1993, Solving Ordinary Differential Equations I, chapter II.
"""

from dataclasses import dataclass
from functools import cached_property

Weights = tuple[float, ...]


@dataclass(frozen=True)
class Tableau:
    """One step of h from y at t, with s stages:

        k_i = f(t + c_i h, y + h sum_{j<i} a_ij k_j),      y' = y + h sum_i b_i k_i,      c_i = sum_j a_ij

    The error of y over many steps is O(h^order). `error` are weights of k whose sum, times h, estimates the error of
    one step, O(h^(error_order + 1)); () where there is no estimate. With a second, coarser estimate e' the error is
    |e|^2 / sqrt(|e|^2 + 0.01 |e'|^2). `dense` are the d_i of an interpolation of order 4 inside the step, which adds
    theta^2 (1 - theta)^2 h sum_i d_i k_i to Hermite's cubic.
    """

    name: str
    order: int
    a: tuple[Weights, ...]
    b: Weights
    error: Weights = ()
    error_order: int = 0
    coarse_error: Weights = ()
    dense: Weights = ()

    @cached_property
    def c(self) -> Weights:
        return tuple(sum(row) for row in self.a)

    @cached_property
    def first_same_as_last(self) -> bool:
        """Whether the last stage is at y' already, so that its slope begins the next step."""
        return self.b == (*self.a[-1], 0.0)

    @property
    def evaluations(self) -> int:
        """New evaluations of f that a step takes after the first one."""
        return len(self.b) - self.first_same_as_last

    def __str__(self) -> str:
        return self.name


EULER = Tableau("Euler", 1, a=((),), b=(1.0,))

MIDPOINT = Tableau("midpoint", 2, a=((), (0.5,)), b=(0.0, 1.0))

HEUN = Tableau("Heun", 2, a=((), (1.0,)), b=(0.5, 0.5), error=(-0.5, 0.5), error_order=1)

# Kutta 1901.
RK4 = Tableau("RK4", 4, a=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), b=(1 / 6, 1 / 3, 1 / 3, 1 / 6))

# Bogacki & Shampine 1989, A 3(2) pair of Runge-Kutta formulas.
BOSH3 = Tableau(
    "Bogacki-Shampine 3(2)",
    3,
    a=((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
    b=(2 / 9, 1 / 3, 4 / 9, 0.0),
    error=(2 / 9 - 7 / 24, 1 / 3 - 1 / 4, 4 / 9 - 1 / 3, -1 / 8),
    error_order=2,
)

# Dormand & Prince 1980, A family of embedded Runge-Kutta formulae; the interpolation is Shampine's 1986.
DOPRI5 = Tableau(
    "Dormand-Prince 5(4)",
    5,
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    b=(35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
    error=(71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    error_order=4,
    dense=(
        -12715105075 / 11282082432,
        0.0,
        87487479700 / 32700410799,
        -10690763975 / 1880347072,
        701980252875 / 199316789632,
        -1453857185 / 822651844,
        69997945 / 29380423,
    ),
)

# Tsitouras 2011, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption.
TSIT5 = Tableau(
    "Tsitouras 5(4)",
    5,
    a=(
        (),
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
        (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
    ),
    b=(0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774, 0.0),
    error=(
        0.00178001105222577714,
        0.0008164344596567469,
        -0.007880878010261995,
        0.1447110071732629,
        -0.5823571654525552,
        0.45808210592918697,
        -1 / 66,
    ),
    error_order=4,
    dense=(
        -1.0530884977290216,
        0.1017,
        2.490627285651252793,
        -16.54810288924490272,
        47.37952196281928122,
        -34.87065786149660974,
        2.5,
    ),
)

# Dormand & Prince's 8(5,3), as in Hairer, Norsett, Wanner, section II.5 and the code DOP853: for high accuracy.
_B853 = (
    0.054293734116568765,
    0.0,
    0.0,
    0.0,
    0.0,
    4.450312892752409,
    1.8915178993145003,
    -5.801203960010585,
    0.3111643669578199,
    -0.1521609496625161,
    0.20136540080403034,
    0.04471061572777259,
)
DOP853 = Tableau(
    "Dormand-Prince 8(5,3)",
    8,
    a=(
        (),
        (0.05260015195876773,),
        (0.0197250569845379, 0.0591751709536137),
        (0.02958758547680685, 0.0, 0.08876275643042054),
        (0.2413651341592667, 0.0, -0.8845494793282861, 0.924834003261792),
        (1 / 27, 0.0, 0.0, 0.17082860872947386, 0.12546768756682242),
        (0.037109375, 0.0, 0.0, 0.17025221101954405, 0.06021653898045596, -0.017578125),
        (
            *(0.03709200011850479, 0.0, 0.0, 0.17038392571223998, 0.10726203044637328, -0.015319437748624402),
            0.008273789163814023,
        ),
        (
            *(0.6241109587160757, 0.0, 0.0, -3.3608926294469414, -0.868219346841726, 27.59209969944671),
            *(20.154067550477894, -43.48988418106996),
        ),
        (
            *(0.47766253643826434, 0.0, 0.0, -2.4881146199716677, -0.590290826836843, 21.230051448181193),
            *(15.279233632882423, -33.28821096898486, -0.020331201708508627),
        ),
        (
            *(-0.9371424300859873, 0.0, 0.0, 5.186372428844064, 1.0914373489967295, -8.149787010746927),
            *(-18.52006565999696, 22.739487099350505, 2.4936055526796523, -3.0467644718982196),
        ),
        (
            *(2.273310147516538, 0.0, 0.0, -10.53449546673725, -2.0008720582248625, -17.9589318631188),
            *(27.94888452941996, -2.8589982771350235, -8.87285693353063, 12.360567175794303, 0.6433927460157636),
        ),
        _B853,
    ),
    b=(*_B853, 0.0),
    error=(
        *(0.01312004499419488, 0.0, 0.0, 0.0, 0.0, -1.2251564463762044, -0.4957589496572502, 1.6643771824549864),
        *(-0.35032884874997366, 0.3341791187130175, 0.08192320648511571, -0.022355307863886294, 0.0),
    ),
    error_order=7,
    coarse_error=(
        *(-0.18980075407240762, 0.0, 0.0, 0.0, 0.0, 4.450312892752409, 1.8915178993145003, -5.801203960010585),
        *(-0.4226823213237919, -0.1521609496625161, 0.20136540080403034, 0.02265179219836082, 0.0),
    ),
)

METHODS = (EULER, MIDPOINT, HEUN, RK4, BOSH3, DOPRI5, TSIT5, DOP853)
