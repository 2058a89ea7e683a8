"""The factored gradients: where leaves of the variable enter f, what they meet there, the cotangent behind.

A leaf θ enters f through few equations, and there linearly: y = L_a(θ). A zero tap on y makes the cotangent
g = ∂f/∂y a cheap gradient, and ∂f/∂θ = Aᵀ G is never formed unless that is the cheapest.
"""
